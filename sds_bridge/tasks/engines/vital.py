"""Vital (vita: its engine without a window), playing .vital presets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sds_bridge.errors import FormatError
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Engine, Player, package_version


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    import vita

    content = path.read_text(encoding="utf-8")

    def fresh() -> Any:
        engine = vita.Synth()
        engine.set_sample_rate(RATE)
        try:
            taken = engine.load_json(content)
        except RuntimeError:
            taken = False
        if not taken:
            raise FormatError(f"{path}: Vital refuses the file. Export it again.")
        return engine

    fresh()
    # a fresh synth a note, so that none hears the one before ring on
    yield lambda note, velocity: np.asarray(fresh().render(note, velocity / 127, HOLD, SECONDS)).mean(0)


ENGINE = Engine("Vital (vita)", "pip install vita", lambda: package_version("vita"), opened)
