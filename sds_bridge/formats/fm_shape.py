"""The envelope of an FM patch's operator, which formats fit with what their instrument has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIXTY_DB = 6.907755


@dataclass(frozen=True)
class Shape:
    """Our envelope: linear attack to 1, exponential decay towards ``sustain``, exponential release (seconds)."""

    attack: float
    decay: float
    sustain: float
    release: float

    def held(self, time: Array) -> Array:
        """Amplitude at ``time`` seconds after the key went down, while it is down."""
        fall = np.exp(-SIXTY_DB * np.maximum(time - self.attack, 0.0) / self.decay)
        found: Array = np.minimum(time / self.attack, 1.0) * (self.sustain + (1 - self.sustain) * fall)
        return found


def shapes_of(one: dict[str, float], operators: int) -> list[Shape]:
    """Every operator's, from a patch's values by name."""
    stages = ("attack", "decay", "sustain", "release")
    return [Shape(*(one[f"op{i}.{stage}"] for stage in stages)) for i in range(1, operators + 1)]
