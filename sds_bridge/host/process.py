"""The host's side of a child process: one request at a time, each within its time limit, crashes told in one line."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sds_bridge.errors import PluginError
from sds_bridge.host.wire import Payload, read_frame, widen, write_frame

ROOT = Path(__file__).parents[2]
LOAD_SECONDS = 30.0
# minutes of sound in pages of 4 kB cost more than making them; glibc only, others don't read this
HUGE_PAGES = "glibc.malloc.hugetlb=1"
# JUCE needs longer than a plug-in that only answers
CLOSE_SECONDS = 2.0


class PluginProcess:
    """A fresh python with pedalboard in it. After a crash or a request over its limit it is gone: make another.

    Args:
        limit: seconds that a request may take unless it says otherwise.
    """

    def __init__(self, limit: float = LOAD_SECONDS) -> None:
        self.limit = limit
        self._stage = "starting"
        self._frames: queue.Queue[tuple[dict[str, Any], Payload] | None] = queue.Queue()
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GLIBC_TUNABLES=HUGE_PAGES)
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sds_bridge.host.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            widen(pipe)
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(
        self, op: str, payload: bytes | memoryview = b"", *, limit: float | None = None, **fields: Any
    ) -> tuple[dict[str, Any], Payload]:
        """Ask the child and wait for its answer.

        Raises:
            PluginError: the plug-in refused; ``fatal`` where it crashed, or took longer than ``limit`` and was ended.
        """
        limit = self.limit if limit is None else limit
        if not self.alive:
            raise self._death()
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, {"op": op, "limit": limit, **fields}, payload)
        except OSError:
            raise self._death() from None
        until = time.monotonic() + limit
        while True:
            try:
                frame = self._frames.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                self.kill()
                raise PluginError(
                    f"{self._stage}: no answer within {limit:g} s, so its process was ended."
                    " Give more time, or leave this plug-in out.",
                    fatal=True,
                ) from None
            if frame is None:
                raise self._death()
            message, data = frame
            if "stage" in message:
                self._stage = message["stage"]
            elif "error" in message:
                raise PluginError(f"{self._stage}: {message['error']}")
            else:
                return message, data

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the child; it unloads nothing, for unloading can hang."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(CLOSE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()

    def __enter__(self) -> PluginProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            try:
                while True:
                    self._frames.put(read_frame(stream))
            except (EOFError, OSError, ValueError):
                self._frames.put(None)

    def _death(self) -> PluginError:
        code = self._process.wait()
        return PluginError(
            f"{self._stage}: the plug-in ended its process with {_how(code)}. Leave it out, or try another version of it.",
            fatal=True,
        )


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code < 0x8000_0000 else f"exit code 0x{code:08X}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
