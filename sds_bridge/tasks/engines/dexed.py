"""Dexed's engine (dexed-py), playing DX7 voices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Engine, Player, package_version

HEADER, TRAILER = 6, 2  # bytes of a system-exclusive message around the voice's 155


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    import dexed

    engine = dexed.DexedSynth(RATE)
    engine.load_patch(dexed.Patch.from_sysex(path.read_bytes()[HEADER:-TRAILER]))
    yield lambda note, velocity: np.asarray(engine.render(note, velocity, HOLD, SECONDS)).ravel()


ENGINE = Engine("Dexed's engine dexed-py", "pip install dexed-py", lambda: package_version("dexed-py"), opened)
