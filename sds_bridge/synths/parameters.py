"""A synth parameter, declared once: name, unit, range, curve. UI, formats and optimiser read this.

The optimiser works on *positions* in 0…1, the same number that a knob or OSC shows, and projects them back
into 0…1 after each step. Unlike a sigmoid's, the curves' slopes are finite and not zero at both ends, so a
parameter never sticks to the edge of its range. No torch is needed to read a declaration; the curves take
floats, numpy arrays and tensors alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sds_bridge.errors import PatchError
from sds_bridge.patch import Patch

Curve = Literal["linear", "log", "taper"]
TAPER = 5.0


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Args:
        name: unique within its synth, as ``op1.ratio``.
        unit: "Hz", "s", "cents", "semitones", "ratio", "rad" or "" for plain amounts.
        low, high: range in that unit; ``log`` needs low > 0.
        curve: position → value. ``linear``; ``log`` is low·(high/low)^p; ``taper`` is
            low + (high − low)·(e^{5p} − 1)/(e^5 − 1), for levels that must reach zero.
        default: value of a neutral patch.
        size: how many values; more than one is stored as a list.
        step: values lie on low + k·step; 0 for any value. Rounding is straight-through: the slope is the curve's.
        choice: the values name behaviours that have no order, so there is nothing to descend along.
    """

    name: str
    unit: str
    low: float
    high: float
    curve: Curve
    default: float
    description: str
    size: int = 1
    step: float = 0.0
    choice: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or (self.curve == "log" and self.low <= 0):
            raise ValueError(
                f"{self.name}: default {self.default} or curve {self.curve} doesn't fit {self.low}…{self.high}"
            )

    def to_value(self, position: Any) -> Any:
        """Position 0…1 → value; differentiable for tensors."""
        return self._snap(self._on_curve(position))

    def _snap(self, value: Any) -> Any:
        if not self.step:
            return value
        if hasattr(value, "detach"):
            return value + (((value - self.low) / self.step).round() * self.step + self.low - value).detach()
        whole = (value - self.low) / self.step
        return self.low + self.step * (round(whole) if isinstance(whole, (int, float)) else whole.round())

    def _on_curve(self, position: Any) -> Any:
        if self.curve == "linear":
            return self.low + (self.high - self.low) * position
        if self.curve == "log":
            return self.low * _exp(position * math.log(self.high / self.low))
        return self.low + (self.high - self.low) * (_exp(position * TAPER) - 1.0) / (math.exp(TAPER) - 1.0)

    def to_position(self, value: float) -> float:
        """Value → position; the inverse of :meth:`to_value` within the range."""
        value = min(max(value, self.low), self.high)
        if self.curve == "linear":
            return (value - self.low) / (self.high - self.low)
        if self.curve == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return math.log1p((value - self.low) / (self.high - self.low) * (math.exp(TAPER) - 1.0)) / TAPER


def _exp(x: Any) -> Any:
    if isinstance(x, (int, float)):
        return math.exp(x)
    if hasattr(x, "exp"):
        return x.exp()
    import numpy

    return numpy.exp(x)


def check(patch: Patch, declared: Iterable[Parameter]) -> dict[str, list[float]]:
    """A patch's values as lists, one per declared parameter, defaults filled in.

    Raises:
        PatchError: a name that isn't declared, a wrong count, or a value outside its range.
    """
    known = {p.name: p for p in declared}
    for name in patch.parameters:
        if name not in known:
            raise PatchError(
                f"parameter {name!r} is not one of {patch.synth}'s: {', '.join(list(known)[:6])}, … Remove or rename it."
            )
    values: dict[str, list[float]] = {}
    for name, p in known.items():
        given = patch.parameters.get(name, [p.default] * p.size)
        found = list(given) if isinstance(given, list) else [given]
        if len(found) != p.size:
            raise PatchError(f"parameter {name!r} has {len(found)} values; it takes {p.size}.")
        for v in found:
            slack = 1e-6 * max(abs(p.low), abs(p.high))
            if not p.low - slack <= v <= p.high + slack:
                raise PatchError(f"parameter {name!r} is {v:g} {p.unit}; allowed is {p.low:g} to {p.high:g}.")
        values[name] = [min(max(float(v), p.low), p.high) for v in found]
    return values
