"""The front's handle on its renderer: started when first needed, ended when idle, restarted when it died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from sds_bridge.errors import JobError

RENDERER = (sys.executable, "-m", "sds_bridge.daemon.renderer")
LONGEST_SECONDS = 120.0
IDLE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Renderer:
    """One errand at a time. The child ends after ``idle`` seconds without any, so that an idle daemon stays small."""

    def __init__(
        self, command: Sequence[str] = RENDERER, idle: float = IDLE_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._command, self._idle, self._longest = tuple(command), idle, longest
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._number = 0

    async def run(self, do: str, **arguments: Any) -> list[str]:
        """Have ``do`` of :mod:`sds_bridge.daemon.renderer` done, and give its report.

        Raises:
            JobError: it can't be done, the renderer died or took longer than ``longest`` seconds.
        """
        async with self._lock:
            if self._ending is not None:
                self._ending.cancel()
            try:
                return await self._ask(do, arguments)
            finally:
                self._ending = asyncio.get_running_loop().call_later(self._idle, self._end)

    async def _ask(self, do: str, arguments: dict[str, Any]) -> list[str]:
        process = await self._running()
        assert process.stdin is not None and process.stdout is not None
        self._number += 1
        try:
            process.stdin.write(json.dumps({"id": self._number, "do": do, **arguments}).encode() + b"\n")
            await process.stdin.drain()
            reply: dict[str, Any] = {}
            while reply.get("id") != self._number:  # an errand whose client went away leaves its answer behind
                line = await asyncio.wait_for(process.stdout.readline(), self._longest)
                if not line:
                    raise ConnectionError
                reply = json.loads(line)
        except TimeoutError:
            self._end()
            raise JobError(f"{do}: not done after {self._longest:.0f} s; given up. Try it again.") from None
        except (ConnectionError, ValueError):
            self._end()
            raise JobError(f"{do}: the renderer died. Try it again; the daemon's log may say more.") from None
        if "error" in reply:
            raise JobError(reply["error"])
        report: list[str] = reply["report"]
        return report

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            # one thread: a running job goes first
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """End the child, and wait until it has."""
        if self._ending is not None:
            self._ending.cancel()
        process = self._process
        self._end()
        if process is not None:
            await process.wait()
