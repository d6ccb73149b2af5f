"""Keeps one worker process alive, ends one that hangs, and settles the jobs of one that died."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sds_bridge.daemon.lock import ORPHAN_SECONDS, ProcessLock, worker_lock
from sds_bridge.daemon.store import Store
from sds_bridge.errors import JobError

WORKER = (sys.executable, "-m", "sds_bridge.daemon.worker")
STOP_SECONDS = 60.0
LONGEST_PAUSE = 30.0
DEATHS_TO_TELL = 3
# Windows' own way of what the worker itself does elsewhere
_GIVE_WAY = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
# no step takes as long, nor does loading a prior from disk
HUNG_SECONDS = 900.0

log = logging.getLogger(__name__)


class Supervisor:
    """``tick`` often; ``stop`` lets the running job reach its next step and puts it back into the queue."""

    def __init__(self, store: Store, folder: Path, command: Sequence[str] = WORKER) -> None:
        self._store, self._folder, self._command = store, folder, tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._not_before = 0.0

    def recover(self) -> None:
        """Queue again what ran when the daemon was killed, once no worker of that daemon is alive.

        Raises:
            JobError: such a worker doesn't end.
        """
        try:
            with ProcessLock(worker_lock(self._folder), ORPHAN_SECONDS):
                for job in self._store.requeue_running():
                    log.info("job %d: was running when the daemon ended; %s now", job.id, job.status)
        except TimeoutError:
            raise JobError(
                f"{self._folder}: a worker of an earlier daemon still runs. End it, or give another --dir."
            ) from None

    def tick(self) -> None:
        if self._process is not None and self._store.silent_seconds() > HUNG_SECONDS:
            log.error("the worker has not been heard of for %.0f s; ending it", HUNG_SECONDS)
            self._process.kill()
            self._process.wait()
        if self._process is not None and self._process.poll() is not None:
            self._bury(self._process)
        if self._process is None and time.monotonic() >= self._not_before:
            self._process = subprocess.Popen(
                [*self._command, "--store", str(self._store.path), "--folder", str(self._folder)],
                stdin=subprocess.PIPE,
                # torch's idle threads must sleep, not spin: two such programs on the same cores stop one another
                env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
                creationflags=_GIVE_WAY,
            )

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        if process.stdin is not None:
            process.stdin.close()
        code = process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        settled = self._store.requeue_running(crashed=how)
        self._deaths = 1 if settled else self._deaths + 1
        pause = 0.0 if self._deaths == 1 else min(2.0 ** (self._deaths - 2), LONGEST_PAUSE)
        self._not_before = time.monotonic() + pause
        log.error("the worker ended by %s; the next starts in %.0f s", how, pause)
        if self._deaths >= DEATHS_TO_TELL:
            self._store.remark_queued(f"the worker can't start ({how}); the daemon's log says why")
        for job in settled:
            log.error("job %d: %s after %d crashes", job.id, job.status, job.crashes)

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
