"""Notices requests that come thick from several clients, which beside a running job are answered a few at a time.

Each wake-up for one request takes a core from a running job twice, so a thousand a second cost more by waking than by
being answered. One client that waits for each answer is never held up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sds_bridge.daemon.osc import Endpoint

WINDOW_SECONDS = 0.05
# in a window
MANY = 10
GATHER_SECONDS = 0.010


class Crowd:
    """``heard`` each request; ``here`` is whether they came thick in the last whole window, and still come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = 0.0
        self._count = 0
        self._senders: set[Endpoint] = set()
        self._crowded = False

    def heard(self, sender: Endpoint) -> None:
        now = self._clock()
        if now >= self._ends:
            self._crowded = self._came_thick() and now < self._ends + WINDOW_SECONDS
            self._ends, self._count = now + WINDOW_SECONDS, 0
            self._senders.clear()
        self._count += 1
        self._senders.add(sender)

    def _came_thick(self) -> bool:
        return self._count >= MANY and len(self._senders) > 1

    @property
    def here(self) -> bool:
        return self._crowded and self._clock() < self._ends + WINDOW_SECONDS
