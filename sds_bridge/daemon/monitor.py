"""What goes in and out over OSC, mirrored to those who asked to watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sds_bridge.daemon.admission import Allowance
from sds_bridge.daemon.osc import Value
from sds_bridge.daemon.store import Endpoint
from sds_bridge.errors import InputError

ADDRESS = "/sds/monitor"
PACKET = "/sds/monitor/packet"
HELLO = "/sds/hello"
LONGEST_SECONDS = 60
MOST_WATCHERS = 8
MOST_MIRRORED = 500
_TEXT = 1000


class Monitor:
    """``send`` in the place of the socket's own, and ``heard`` for what came; both cost nothing while nobody watches.

    A watcher asks again before its seconds are over, so one that was killed is forgotten. At most ``MOST_MIRRORED``
    packets a second are mirrored; each tells how many before it were left out.
    """

    def __init__(self, send: Callable[..., None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send, self._clock = send, clock
        self._watchers: dict[Endpoint, float] = {}
        self._allowance = Allowance(MOST_MIRRORED, clock)
        self._left_out = 0

    def watch(self, who: Endpoint, seconds: int) -> None:
        """Mirror to ``who`` for ``seconds`` from now; 0 ends it. Raises InputError for too long, or too many watchers."""
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise InputError(f"seconds: {seconds}; 0 to {LONGEST_SECONDS} are allowed. Ask again before they are over.")
        self._watchers.pop(who, None)
        if seconds == 0:
            return
        self._forget()
        if len(self._watchers) >= MOST_WATCHERS:
            raise InputError(f"{MOST_WATCHERS} watch already, and no more may. End one of them.")
        self._watchers[who] = self._clock() + seconds

    def send(self, to: Endpoint, address: str, *values: Value) -> None:
        self._send(to, address, *values)
        if self._watchers:
            self._mirror("out", to, address, values)

    def heard(self, sender: Endpoint, address: str, values: Sequence[object]) -> None:
        if self._watchers:
            self._mirror("in", sender, address, values)

    def _mirror(self, direction: str, peer: Endpoint, address: str, values: Sequence[object]) -> None:
        if address == ADDRESS:
            return
        self._forget()
        if not self._allowance.take():
            self._left_out += 1
            return
        text = "(not shown)" if address == HELLO and direction == "in" else shown(values)
        left_out, self._left_out = self._left_out, 0
        for watcher in self._watchers:
            self._send(watcher, PACKET, direction, f"{peer[0]}:{peer[1]}", address[:_TEXT], text, left_out)

    def _forget(self) -> None:
        now = self._clock()
        for watcher in [who for who, until in self._watchers.items() if until <= now]:
            del self._watchers[watcher]


def shown(values: Sequence[object]) -> str:
    """Arguments on one line, as ``7 "kick drum" 0.5``."""
    return " ".join(_one(value) for value in values)[:_TEXT]


def _one(value: object) -> str:
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[:_TEXT]) + '"'
    return f"{value:g}" if isinstance(value, float) else repr(value)[:_TEXT]
