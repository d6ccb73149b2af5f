"""The one process that imports torch: claims jobs from the store, runs them, one at a time, until told to stop.

``python -m sds_bridge.daemon.worker --store jobs.sqlite --folder DIR``. It ends with its parent (on Linux by the
kernel's own signal, elsewhere when standard input closes), and holds ``worker.lock`` for as long as it lives.
A job for which there is no room waits, and one that runs out of it is put back: both go on when there is room again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import math
import os
import signal
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sds_bridge.daemon import memory, room
from sds_bridge.daemon.access import job_folder
from sds_bridge.daemon.lock import ORPHAN_SECONDS, ProcessLock, worker_lock
from sds_bridge.daemon.store import Job, Store
from sds_bridge.daemon.supervisor import NO_ROOM
from sds_bridge.errors import SdsBridgeError
from sds_bridge.tasks.requests import Progress, Report, Result, SeparateRequest, ShouldStop, TuneRequest, parse

IDLE_SECONDS = 0.1
WAIT_SECONDS = 1.0
WRITE_INTERVAL = 0.1
NICE = 10
LOOK_SECONDS = 0.5
RETRY_SECONDS = 30.0

log = logging.getLogger(__name__)
Task = Callable[[Any, Path, Report, ShouldStop], Result]
_PR_SET_PDEATHSIG = 1


def prepare_torch() -> None:
    """Before torch makes a thread: flush denormals (silence makes them, and they are slow); a thread a CPU at most."""
    import torch

    torch.set_flush_denormal(True)
    available = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    torch.set_num_threads(min(torch.get_num_threads(), available))


def _task(kind: str) -> Task:
    task: Task = importlib.import_module(f"sds_bridge.tasks.{kind}").run
    return task


REQUESTS: Mapping[str, Any] = {"tune": TuneRequest, "separate": SeparateRequest}


class Worker:
    """Runs jobs of ``store`` into ``folder/jobs`` until ``stopping`` is set; a job then stops at its next step."""

    def __init__(
        self, store: Store, folder: Path, stopping: threading.Event, task: Callable[[str], Task] = _task
    ) -> None:
        self.stopping = stopping
        self._store, self._folder, self._task = store, folder, task
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._cold = task is _task
        self._no_room = False
        self._looked = -LOOK_SECONDS

    def run(self) -> None:
        while not self.stopping.is_set():
            job = self._next()
            if job is None:
                self.stopping.wait(IDLE_SECONDS)
            else:
                self._run(job)

    def _next(self) -> Job | None:
        """Claim the job whose turn it is, once there is room for it."""
        waiting = self._store.next_queued()
        if waiting is None:
            return None
        why = lacking(waiting, self._folder)
        if not why:
            if self._cold:  # an idle worker stays small
                self._cold = False
                _warm_up()
            return self._store.claim(self._name)
        begun = f"paused at step {waiting.step} of {waiting.steps}" if waiting.attempts else "waits"
        told = f"{begun}: it {why}. Make room; it goes on by itself"
        self._write(lambda: self._store.remark_queued(told, waiting.id))
        self.stopping.wait(WAIT_SECONDS)
        return None

    def _run(self, job: Job) -> None:
        out = job_folder(self._folder, job.id)
        self._no_room = False
        log.info("job %d: attempt %d", job.id, job.attempts)
        try:
            out.mkdir(parents=True, exist_ok=True)
            room.clear_halves(out)
            request = parse(REQUESTS[job.kind], job.request)
            result = self._task(job.kind)(request, out, self._reporter(job), lambda: self._should_stop(job))
        except Exception as error:
            full = room.tells_full(error) or (not isinstance(error, SdsBridgeError) and room.is_short(self._folder))
            room.clear_halves(out)
            if full:
                self._pause(job)
            else:
                self._fail(job, error)
        else:
            self._settle(job, result)

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, SdsBridgeError):
            text = " ".join(str(error).split())
        elif isinstance(error, MemoryError):
            text = f"job {job.id}: out of memory. Use a smaller batch, or fewer or shorter stems."
        else:
            log.error("job %d", job.id, exc_info=error)
            text = " ".join(f"job {job.id}: internal error ({type(error).__name__}: {error})"[:500].split())
            text += ". The daemon's log says more; please report it."
        self._told(lambda: self._store.fail(job.id, self._name, text))

    def _settle(self, job: Job, result: Result) -> None:
        if result.stopped and not self._store.get(job.id).cancel_requested:
            if self.stopping.is_set():
                return  # the daemon queues it again, and it goes on from its checkpoint
            if self._no_room:
                self._pause(job)
                return
        values = {"files": [str(file) for file in result.files], "summary": result.summary}
        self._told(lambda: self._store.finish(job.id, self._name, values, cancelled=result.stopped))
        log.info("job %d: ended", job.id)

    def _pause(self, job: Job) -> None:
        there = room.megabytes(room.free(self._folder))
        message = f"paused: the disk of {self._folder} is full, {there} are free. Make room; it goes on by itself"
        if not room.is_short(self._folder):
            message = (
                f"paused: {self._folder} takes no more, though {there} are free on its disk: a quota, or a limit on "
                f"the size of files. Raise it; the job tries again every {RETRY_SECONDS:.0f} s"
            )
        log.warning("job %d: %s", job.id, message)
        self._told(lambda: self._store.pause(job.id, self._name, message))
        if not room.is_short(self._folder):
            self.stopping.wait(RETRY_SECONDS)

    def _told(self, tell: Callable[[], None]) -> None:
        """Tell the store how a job ended, however long the disk is full."""
        while True:
            try:
                return tell()
            except sqlite3.OperationalError as error:
                if not room.tells_full(error):
                    raise
                log.error("the disk is too full to note how a job ended; waiting for room")
            if self.stopping.wait(WAIT_SECONDS):
                raise SystemExit(NO_ROOM)

    def _should_stop(self, job: Job) -> bool:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if not self._no_room and room.is_short(self._folder):
                self._no_room = True
                room.give_reserve(self._folder)  # for the checkpoint
            self._write(lambda: self._store.beat(job.id, self._name))
        return self.stopping.is_set() or self._no_room or self._store.must_stop(job.id, self._name)

    def _reporter(self, job: Job) -> Report:
        written = -WRITE_INTERVAL

        def report(progress: Progress) -> None:
            nonlocal written
            now = time.monotonic()
            if now - written < WRITE_INTERVAL and progress.step < progress.steps and not progress.message:
                return
            written = now
            left = progress.seconds_left if math.isfinite(progress.seconds_left) else -1.0
            step, steps, message = progress.step, progress.steps, progress.message
            self._write(lambda: self._store.progress(job.id, self._name, step, steps, left, message))

        return report

    def _write(self, write: Callable[[], object]) -> None:
        """A write without which a job can go on: a full disk stops it at its next step instead."""
        try:
            write()
        except sqlite3.OperationalError as error:
            if not room.tells_full(error):
                raise
            if not self._no_room:
                log.warning("the disk of %s is full; the job store can't be written just now", self._folder)
            self._no_room = True


def lacking(job: Job, folder: Path) -> str:
    """What a job that waits would need and there isn't just now, or nothing."""
    return room.lacking(folder, job.disk) or memory.lacking(job.memory)


def _warm_up() -> None:
    """Import what every job needs; where that fails, each job says so."""
    try:
        prepare_torch()
        _task("tune")
    except Exception:
        log.exception("torch or a task can't be imported")


def _give_way() -> None:
    """A DAW on the same cores, and the daemon's answers, come first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICE)


def _end_with_parent(stopping: threading.Event) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(0, 64):  # not sys.stdin, whose lock would hang the interpreter's own end
            stopping.set()
        if not stopping.is_set():
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str] | None = None, task: Callable[[str], Task] = _task) -> int:
    parser = argparse.ArgumentParser(prog="sds_bridge.daemon.worker")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _give_way()
    stopping = threading.Event()
    _end_with_parent(stopping)
    try:
        lock = ProcessLock(worker_lock(given.folder), ORPHAN_SECONDS)
    except TimeoutError as error:
        log.error("another worker runs: %s", error)
        return 1
    store = Store(given.store)
    Worker(store, given.folder, stopping, task).run()
    store.close()
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
