"""A session's mix, from stems that are done in any order."""

from __future__ import annotations

import numpy as np


class Mix:
    """The sum of the stems in float64, added in the session's order, for the order of a sum shows in its last bits."""

    def __init__(self, names: list[str], samples: int) -> None:
        self.sum = np.zeros((2, samples))
        self._left = names[::-1]
        self._early: dict[str, np.ndarray | None] = {}

    def take(self, name: str, sound: np.ndarray | None) -> None:
        """None for a track that failed."""
        self._early[name] = sound
        while self._left and self._left[-1] in self._early:
            ready = self._early.pop(self._left.pop())
            if ready is not None:
                self.sum += ready
