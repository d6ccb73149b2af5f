"""Keeps one worker process alive, ends one that hangs, and settles the jobs of one that died."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sds_bridge.daemon import room
from sds_bridge.daemon.lock import ORPHAN_SECONDS, ProcessLock, worker_lock
from sds_bridge.daemon.silence import HUNG_SECONDS, Silence
from sds_bridge.daemon.store import Store
from sds_bridge.errors import JobError

WORKER = (sys.executable, "-m", "sds_bridge.daemon.worker")
STOP_SECONDS = 60.0
LONGEST_PAUSE = 30.0
DEATHS_TO_TELL = 3
# Windows' own way of what the worker itself does elsewhere
_GIVE_WAY = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
RESERVE_SECONDS = 10.0
# a worker ends so when the disk is too full to tell the store; EX_TEMPFAIL of sysexits.h
NO_ROOM = 75

log = logging.getLogger(__name__)


class Supervisor:
    """``tick`` often; ``stop`` lets the running job reach its next step and puts it back into the queue.

    Args:
        hung: seconds without a sign of life after which a worker counts as hung, see :class:`Silence`.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        command: Sequence[str] = WORKER,
        hung: float = HUNG_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._folder, self._command, self._clock = store, folder, tuple(command), clock
        self._process: subprocess.Popen[bytes] | None = None
        self._silence = Silence(hung)
        self._out_of_memory = 0
        self._hang = ""
        self._deaths = 0
        self._not_before = 0.0
        self._reserve_due = 0.0

    def recover(self) -> None:
        """Queue again what ran when the daemon was killed, once no worker of that daemon is alive.

        Raises:
            JobError: such a worker doesn't end.
        """
        room.keep_reserve(self._folder)
        try:
            with ProcessLock(worker_lock(self._folder), ORPHAN_SECONDS):
                for job in self._store.requeue_running(killed="the end of the daemon"):
                    log.info("job %d: was running when the daemon ended; %s now", job.id, job.status)
        except TimeoutError as error:
            raise JobError(
                f"{self._folder}: a worker of an earlier daemon still runs ({error}). End it, or give another --dir."
            ) from None

    def tick(self) -> None:
        now = self._clock()
        if self._process is not None:
            self._end_hung(self._process, now)
        if self._process is not None and self._process.poll() is not None:
            self._bury(self._process)
        if now >= self._reserve_due:
            self._reserve_due = now + RESERVE_SECONDS
            room.keep_reserve(self._folder)
        if self._process is None and now >= self._not_before:
            self._out_of_memory = _memory_kills()
            self._silence.forget()
            self._process = subprocess.Popen(
                [*self._command, "--store", str(self._store.path), "--folder", str(self._folder)],
                stdin=subprocess.PIPE,
                # torch's idle threads must sleep, not spin: two such programs on the same cores stop one another
                env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
                creationflags=_GIVE_WAY,
            )

    def _end_hung(self, process: subprocess.Popen[bytes], now: float) -> None:
        silent = self._silence.seconds(self._store.pulse(), now)
        if silent <= self._silence.limit or process.poll() is not None or room.is_short(self._folder):
            return
        self._hang = f"a hang of {silent:.0f} s"
        log.error("the worker has not been heard of for %.0f s; ending it", silent)
        process.kill()
        process.wait()

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        code = process.returncode
        how, self._hang = self._hang or (f"signal {-code}" if code < 0 else f"exit code {code}"), ""
        if _memory_kills() > self._out_of_memory:
            how = f"{how}, for memory ran out"
            blame = {"crashed": how}
        elif code == NO_ROOM or room.is_short(self._folder):
            how, blame = f"{how}, for the disk is full", {}
        elif how == f"signal {signal.SIGKILL:d}":
            blame = {"killed": how}
        else:
            blame = {"crashed": how}
        settled = self._store.requeue_running(**blame)
        self._process = None
        if process.stdin is not None:
            process.stdin.close()
        self._deaths = 1 if settled else self._deaths + 1
        pause = 0.0 if self._deaths == 1 else min(2.0 ** (self._deaths - 2), LONGEST_PAUSE)
        self._not_before = self._clock() + pause
        log.error("the worker ended by %s; the next starts in %.0f s", how, pause)
        if self._deaths >= DEATHS_TO_TELL:
            self._store.remark_queued(f"the worker can't start ({how}); the daemon's log says why")
        for job in settled:
            log.error("job %d: %s after %d crashes and %d kills", job.id, job.status, job.crashes, job.kills)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            assert process.stdin is not None
            process.stdin.write(b"stop\n")
            process.stdin.flush()
            process.wait(STOP_SECONDS)
        except (OSError, subprocess.TimeoutExpired, KeyboardInterrupt):
            log.warning("the worker doesn't stop; ending it. Its job goes on from its checkpoint at the next start")
            process.kill()
            process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()
        self._store.requeue_running()


def _memory_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started (Linux; elsewhere 0)."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
