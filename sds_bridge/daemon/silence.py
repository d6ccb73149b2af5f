"""How long a worker has been silent, by this process's own steady clock and the store's beats.

No date enters: setting the clock, a reboot or a night asleep make nobody hung.
"""

from __future__ import annotations

from sds_bridge.daemon.job import Pulse

# no first step takes as long, nor does loading a prior from disk
HUNG_SECONDS = 900.0
SHORTEST_SECONDS = 60.0
PACES = 50
# a tick that comes later than that was held up itself, and the worker perhaps with it
LONGEST_TICK = 1.0


class Silence:
    """``seconds`` at every tick. A job whose pace is known may be silent for 50 of its slowest steps, but for a minute
    at least, and for ``hung`` seconds at most; before its first steps, for ``hung`` seconds.
    """

    def __init__(self, hung: float = HUNG_SECONDS) -> None:
        self._hung = hung
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another worker."""
        self._last: Pulse | None = None
        self._at: float | None = None
        self._silent = self._slowest = 0.0

    def seconds(self, pulse: Pulse | None, now: float) -> float:
        """How long the running job's worker has been silent at the steady time ``now``; 0 when none runs."""
        passed = 0.0 if self._at is None else min(max(0.0, now - self._at), LONGEST_TICK)
        self._at = now
        last, self._last = self._last, pulse
        if pulse is None or last is None or (pulse.job, pulse.attempts) != (last.job, last.attempts):
            self._silent = self._slowest = 0.0
            return 0.0
        self._silent += passed
        if pulse != last:
            if last.step > 0:
                self._slowest = max(self._slowest, self._silent)
            self._silent = 0.0
        return self._silent

    @property
    def limit(self) -> float:
        if self._slowest == 0.0:
            return self._hung
        return min(self._hung, max(SHORTEST_SECONDS, PACES * self._slowest))
