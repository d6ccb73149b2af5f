"""sfizz (pysfizz), playing SFZ instruments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sds_bridge.errors import FormatError
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Engine, Player, package_version

# pysfizz 0.1.3 moves the sound by a few samples after a note's first block: short ones keep the click at the onset
BLOCK = 64
LOADING = 0.3  # seconds


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    import pysfizz

    player = pysfizz.Synth(RATE, BLOCK)
    player.load_sfz_file(str(path))
    if not player.playable_keys:
        raise FormatError(f"{path}: sfizz finds no key to play in it. Give an .sfz text whose samples are beside it.")

    def play(note: int, velocity: int) -> np.ndarray:
        # sfizz streams samples from a thread of its own, which may be late in the first, faster than real time, pass
        player.render_note(note, velocity, HOLD, SECONDS)
        time.sleep(LOADING)
        sound = np.asarray(player.render_note(note, velocity, HOLD, SECONDS), dtype=np.float64)
        return sound.mean(0)

    yield play


ENGINE = Engine("sfizz (pysfizz)", "pip install pysfizz", lambda: package_version("pysfizz"), opened)
