"""Pushes to the client that made a job: progress, remarks, how it ended. Said at least once, also after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.daemon.access import job_folder
from sds_bridge.daemon.osc import Value
from sds_bridge.daemon.store import Job, Status, Store

PROGRESS_INTERVAL = 0.1


@dataclass
class _Told:
    at: float = 0.0
    step: int = 0
    message: str = ""


class Announcer:
    """Looks at the store at each ``tick`` and sends what changed."""

    def __init__(
        self, store: Store, folder: Path, send: Callable[..., None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._folder, self._send, self._clock = store, folder, send, clock
        self._told: dict[int, _Told] = {}

    def tick(self) -> bool:
        """Whether a job is running."""
        running = False
        for job in self._store.to_announce():
            running |= job.status is Status.RUNNING
            told = self._told.setdefault(job.id, _Told(-PROGRESS_INTERVAL))
            if job.message != told.message:
                told.message = job.message
                if job.message:
                    self._push(job, "/sds/job/message", job.id, job.message)
            if job.step != told.step and (job.status.ended or self._clock() - told.at >= PROGRESS_INTERVAL):
                told.at, told.step = self._clock(), job.step
                self._push(job, "/sds/job/progress", job.id, job.step, job.steps, float(job.seconds_left))
            if job.status.ended:
                self._end(job)
        return running

    def _end(self, job: Job) -> None:
        if job.status is Status.FAILED:
            self._push(job, "/sds/error", job.client_id, " ".join((job.error or "failed").split()))
        self._push(job, "/sds/job/done", job.id, str(job.status), str(job_folder(self._folder, job.id)))
        self._store.announced(job.id)
        del self._told[job.id]

    def _push(self, job: Job, address: str, *values: Value) -> None:
        for to in job.reply:
            self._send(to, address, *values)
