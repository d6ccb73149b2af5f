"""The one process that imports torch: claims jobs from the store, runs them, one at a time, until told to stop.

``python -m sds_bridge.daemon.worker --store jobs.sqlite --folder DIR``. It ends with its parent (on Linux by the
kernel's own signal, elsewhere when standard input closes), and holds ``worker.lock`` for as long as it lives.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import math
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sds_bridge.daemon.access import job_folder
from sds_bridge.daemon.lock import ORPHAN_SECONDS, ProcessLock, worker_lock
from sds_bridge.daemon.store import Job, Store
from sds_bridge.errors import SdsBridgeError
from sds_bridge.tasks.requests import Progress, Report, Result, SeparateRequest, ShouldStop, TuneRequest, parse

IDLE_SECONDS = 0.1
WRITE_INTERVAL = 0.1
NICE = 10

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

    def run(self) -> None:
        while not self.stopping.is_set():
            job = self._store.claim(self._name)
            if job is None:
                self.stopping.wait(IDLE_SECONDS)
            else:
                if self._cold:  # an idle worker stays small
                    self._cold = False
                    _warm_up()
                self._run(job)

    def _run(self, job: Job) -> None:
        out = job_folder(self._folder, job.id)
        try:
            out.mkdir(parents=True, exist_ok=True)
            request = parse(REQUESTS[job.kind], job.request)
            result = self._task(job.kind)(request, out, self._reporter(job), lambda: self._should_stop(job))
        except SdsBridgeError as error:
            self._store.fail(job.id, self._name, " ".join(str(error).split()))
        except MemoryError:
            self._store.fail(
                job.id, self._name, f"job {job.id}: out of memory. Use a smaller batch, or fewer or shorter stems."
            )
        except Exception as error:
            log.exception("job %d", job.id)
            text = " ".join(f"job {job.id}: internal error ({type(error).__name__}: {error})"[:500].split())
            self._store.fail(job.id, self._name, f"{text}. The daemon's log says more; please report it.")
        else:
            self._settle(job, result)

    def _settle(self, job: Job, result: Result) -> None:
        if result.stopped and self.stopping.is_set() and not self._store.get(job.id).cancel_requested:
            return  # the daemon queues it again, and it goes on from its checkpoint
        values = {"files": [str(file) for file in result.files], "summary": result.summary}
        self._store.finish(job.id, self._name, values, cancelled=result.stopped)

    def _should_stop(self, job: Job) -> bool:
        return self.stopping.is_set() or self._store.must_stop(job.id, self._name)

    def _reporter(self, job: Job) -> Report:
        written = -WRITE_INTERVAL

        def report(progress: Progress) -> None:
            nonlocal written
            now = time.monotonic()
            if now - written < WRITE_INTERVAL and progress.step < progress.steps and not progress.message:
                return
            written = now
            left = progress.seconds_left if math.isfinite(progress.seconds_left) else -1.0
            self._store.progress(job.id, self._name, progress.step, progress.steps, left, progress.message)

        return report


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
