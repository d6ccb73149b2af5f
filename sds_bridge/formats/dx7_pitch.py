"""Our ratios, detunes and pitch offset as the DX7's transpose, coarse, fine and detune."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sds_bridge.formats import dx7_laws as laws

_GRID = sorted(
    (1200 * math.log2((coarse or 0.5) * (1 + fine / 100)), coarse, fine) for coarse in range(32) for fine in range(100)
)
_CENTS = np.array([cents for cents, _, _ in _GRID])
_DETUNES = np.arange(15)
_SPREAD = (-12, 0, 12)


@dataclass(frozen=True)
class Tuning:
    """One operator's frequency; ``error`` is how many cents it is off at the tuned note."""

    coarse: int
    fine: int
    detune: int
    error: float


def tune(cents: list[float], weights: list[float], note: int) -> tuple[int, list[Tuning]]:
    """Transpose and tunings for operators that shall sound ``cents`` above the played note.

    Every transposition is tried, because moving all operators together changes which ratios they need. An
    operator's distance is its largest one at the tuned note and an octave either side, as detune follows the note.

    Args:
        cents: per operator, in cents above the note; about −4800 to 7200.
        weights: per operator, how much its distance counts.
        note: MIDI note that the patch was tuned at.

    Returns:
        transpose as stored (24 is none), and one tuning per operator.
    """
    best_cost, best = math.inf, (24, [Tuning(1, 0, 7, 0.0)] * len(cents))
    for shift in sorted(range(-24, 25), key=lambda s: (abs(s), s)):
        found = [_nearest(c - 100 * shift, note + shift) for c in cents]
        cost = sum(w * distance for w, (distance, _) in zip(weights, found, strict=True)) / (sum(weights) or 1.0)
        cost += 0.05 * abs(shift)
        if cost < best_cost - 1e-6:
            best_cost, best = cost, (shift + 24, [tuning for _, tuning in found])
    return best


def _nearest(cents: float, note: int) -> tuple[float, Tuning]:
    """Distance in cents and the tuning for ``cents`` above a transposed MIDI note."""
    reach = 7 * laws.detune_cents(note) + 1
    low, high = np.searchsorted(_CENTS, [cents - reach, cents + reach])
    centre = int(np.clip(np.searchsorted(_CENTS, cents), 1, len(_CENTS) - 1))
    low, high = min(int(low), centre - 1), max(int(high), centre + 1)
    steps = (_DETUNES - 7)[:, None] * np.array([laws.detune_cents(note + spread) for spread in _SPREAD])
    errors = _CENTS[low:high, None, None] + steps[None] - cents
    distance = np.abs(errors).max(axis=2) + 0.01 * np.abs(_DETUNES - 7)
    row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
    _, coarse, fine = _GRID[low + int(row)]
    return float(distance[row, column]), Tuning(coarse, fine, int(column), float(errors[row, column, 1]))
