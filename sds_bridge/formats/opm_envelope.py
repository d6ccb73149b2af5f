"""Our envelopes as the YM2151's: an attack, two straight falls in dB with a level between them, a release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sds_bridge.formats import opm_laws as laws
from sds_bridge.formats.fm_shape import SIXTY_DB, Shape

FLOOR_DB = -80.0


@dataclass(frozen=True)
class Fit:
    """AR, D1R, D2R, RR and D1L; ``decay_db`` is the mean distance while held, ``release_ratio`` release time over ours."""

    attack: int
    first: int
    second: int
    release: int
    level: int
    decay_db: float
    release_ratio: float


def fit_envelope(shape: Shape, note: int) -> Fit:
    """The nearest at a MIDI note; higher keys are a little faster on the chip."""
    speeds = np.array([laws.steps_per_second(laws.effective_rate(r, note)) for r in range(1, 32)])
    attack = 1 + int(np.argmin(np.abs(np.log(speeds * shape.attack / 2 / laws.HALF_ATTACK))))
    falls = [laws.fall_rate(laws.effective_rate(r, note, 4)) for r in range(1, 16)]
    wanted = 60 / shape.release
    release = int(np.argmin(np.abs(np.log(np.array(falls) / wanted))))
    first, level, second, error = _fit_decay(shape, note)
    return Fit(attack, first, second, release + 1, level, error, wanted / falls[release])


def _fit_decay(shape: Shape, note: int) -> tuple[int, int, int, float]:
    """D1R, D1L, D2R and the mean distance in dB, over the time in which our curve settles."""
    settled = max(0.05 * shape.sustain, 10 ** (FLOOR_DB / 20))
    span = shape.decay / SIXTY_DB * max(np.log((1 - shape.sustain + 1e-9) / settled), 0.5)
    time = np.linspace(0.0, 1.5 * span, 161)
    ours = shape.sustain + (1 - shape.sustain) * np.exp(-SIXTY_DB * time / shape.decay)
    wanted = np.maximum(20 * np.log10(ours + 1e-9), FLOOR_DB)
    falls = np.array([laws.fall_rate(laws.effective_rate(r, note)) for r in range(32)])
    best = (0, 0, 0, float("inf"))
    for level in range(16):
        knee = -laws.D1L_DB * (level if level < 15 else 31)
        for first in range(1, 32) if level else [31]:
            turn = -knee / falls[first]
            after = np.maximum(time - turn, 0.0)
            lines = np.maximum(-falls[first] * time, knee) - falls[:, None] * after
            errors = np.mean(np.abs(np.maximum(lines, FLOOR_DB) - wanted), axis=1)
            second = int(np.argmin(errors))
            if errors[second] < best[3] - 1e-9:
                best = (first, level, second, float(errors[second]))
    return best
