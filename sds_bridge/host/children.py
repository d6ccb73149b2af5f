"""Child processes that take turns: as many as were asked for, each made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from sds_bridge.errors import PluginError
from sds_bridge.host.process import PluginProcess


class Children:
    """At most ``most`` at once. One that died is replaced."""

    def __init__(self, most: int) -> None:
        self._idle: SimpleQueue[PluginProcess | None] = SimpleQueue()
        for _ in range(most):
            self._idle.put(None)
        self._busy: set[PluginProcess] = set()
        self._lock = threading.Lock()
        self._ended = False

    @contextmanager
    def borrowed(self) -> Iterator[PluginProcess]:
        """One for this thread alone, as soon as there is one.

        Raises:
            PluginError: they were ended.
        """
        process = self._idle.get()
        try:
            with self._lock:
                if self._ended:
                    raise PluginError("stopped before its turn. Start again.")
                if process is None or not process.alive:
                    process = PluginProcess()
                self._busy.add(process)
            yield process
        finally:
            with self._lock:
                self._busy.discard(process)
                ended = self._ended
            if ended and process is not None:
                process.close()
            self._idle.put(None if ended else process)

    def end(self) -> None:
        """End all, and make no more. A request that one is in the middle of fails at once."""
        with self._lock:
            self._ended = True
            busy = list(self._busy)
        for process in busy:
            process.kill()
        for _ in range(self._idle.qsize()):
            if (idle := self._idle.get()) is not None:
                idle.close()
            self._idle.put(None)
