"""The job table: what is asked of it, and each change of a job's state as one transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sds_bridge.daemon import room
from sds_bridge.daemon.database import Database
from sds_bridge.daemon.job import ClientId as ClientId
from sds_bridge.daemon.job import Endpoint as Endpoint
from sds_bridge.daemon.job import Job as Job
from sds_bridge.daemon.job import Need, Pulse, from_row, inside, relative
from sds_bridge.daemon.job import Status as Status
from sds_bridge.errors import JobError

MOST_QUEUED = 100
# in a row, with no new step between
MOST_CRASHES = 3
MOST_KILLS = 25
PRIORITIES = (-100, 100)
_NEXT = "(SELECT id FROM job WHERE status = 'queued' ORDER BY priority DESC, id LIMIT 1)"
_NEXT_END = "(SELECT coalesce(max(ended), 0) + 1 FROM job)"


class Store(Database):
    """Paths under the store's own folder are kept relative to it, so that the folder may be moved or restored elsewhere."""

    def create(
        self,
        kind: str,
        request: dict[str, Any],
        client_id: ClientId = "",
        reply: Sequence[Endpoint] = (),
        token: str | None = None,
        at_least: int = 1,
        priority: int = 0,
        need: Need | None = None,
    ) -> Job:
        """Queue a job, or give the one that the same ``token`` made. Ids rise from ``at_least`` and are never reused.

        Raises:
            JobError: ``MOST_QUEUED`` jobs wait already, or the disk is full.
        """
        with self._told_when_full(), self._durable(), self._transaction():
            if token is not None:
                known = self._db.execute("SELECT * FROM job WHERE token = ?", (token,)).fetchone()
                if known is not None:
                    return self._job(known)
            waiting = self._db.execute("SELECT count(*) FROM job WHERE status = 'queued'").fetchone()[0]
            if waiting >= MOST_QUEUED:
                raise JobError(f"{waiting} jobs wait; at most {MOST_QUEUED} may. Cancel some, or wait for one to end.")
            row = self._db.execute(
                "INSERT INTO job (id, token, client_id, reply, kind, request, created, priority, memory, disk) "
                "SELECT max(coalesce(max(id), 0) + 1, ?), ?, ?, ?, ?, ?, ?, ?, ?, ? FROM job RETURNING *",
                (
                    at_least,
                    token,
                    json.dumps(client_id),
                    json.dumps(list(reply)),
                    kind,
                    json.dumps(relative(request, self._folder)),
                    time.time(),
                    priority,
                    need.memory if need else 0,
                    need.disk if need else 0,
                ),
            ).fetchall()[0]
        return self._job(row)

    @contextmanager
    def _told_when_full(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if not room.tells_full(error):
                raise
            raise JobError(
                f"the disk of {self.path.parent} is full ({room.megabytes(room.free(self.path.parent))} free). "
                "Make room there and ask again; jobs that were taken are kept."
            ) from None

    def made_by(self, token: str) -> Job | None:
        """The job that a request with this ``token`` made."""
        found = self._jobs("SELECT * FROM job WHERE token = ?", token)
        return found[0] if found else None

    def get(self, job: int) -> Job:
        """Raises JobError when there is no such job."""
        row = self._db.execute("SELECT * FROM job WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise JobError(f"job {job}: no such job. /sds/job/list names the jobs there are.")
        return self._job(row)

    def newest(self, limit: int = 20) -> list[Job]:
        """The newest ``limit`` jobs, newest first."""
        return self._jobs("SELECT * FROM job ORDER BY id DESC LIMIT ?", limit)

    def with_status(self, status: Status) -> tuple[Job, ...]:
        return tuple(self._jobs("SELECT * FROM job WHERE status = ? ORDER BY id", status))

    def to_announce(self) -> tuple[Job, ...]:
        """Jobs with something to tell whose client has not been told how they ended."""
        where = "announced = 0 AND (status != 'queued' OR message != '')"
        return tuple(self._jobs(f"SELECT * FROM job WHERE {where} ORDER BY id"))

    def announced(self, job: int) -> None:
        self._write("UPDATE job SET announced = 1 WHERE id = ?", job)

    def remark_queued(self, message: str, job: int | None = None) -> None:
        """Tell those who wait, or one ``job`` of them, why they do."""
        self._write(
            "UPDATE job SET message = ? WHERE status = 'queued' AND message != ? AND (id = ? OR ? IS NULL)",
            message, message, job, job,
        )  # fmt: skip

    def request_cancel(self, job: int) -> Job:
        """A queued job is cancelled at once, a running one at its worker's next step; an ended one stays as it is.

        Raises:
            JobError: no such job, it has ended otherwise, or the disk is full.
        """
        with self._told_when_full():
            self._write(
                "UPDATE job SET cancel_requested = 1, finished = CASE status WHEN 'queued' THEN ? END, "
                f"ended = CASE status WHEN 'queued' THEN {_NEXT_END} END, "
                "status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END "
                "WHERE id = ? AND status IN ('queued', 'running')",
                time.time(),
                job,
            )
        found = self.get(job)
        if found.status in (Status.DONE, Status.FAILED):
            raise JobError(f"job {job}: is {found.status} already; only a queued or running job can be cancelled.")
        return found

    def next_queued(self) -> Job | None:
        """Whose turn it is: the highest priority, and of those the oldest."""
        found = self._jobs(f"SELECT * FROM job WHERE id = {_NEXT}")
        return found[0] if found else None

    def claim(self, owner: str) -> Job | None:
        """Give the job whose turn it is to the worker ``owner``, or None."""
        now = time.time()
        rows = self._write(
            "UPDATE job SET status = 'running', owner = ?, attempts = attempts + 1, heartbeat = ?, message = '', "
            f"started = coalesce(started, ?) WHERE id = {_NEXT} RETURNING *",
            owner,
            now,
            now,
        )
        return self._job(rows[0]) if rows else None

    def progress(self, job: int, owner: str, step: int, steps: int, seconds_left: float, message: str = "") -> bool:
        """Where a job is, and a beat. A new furthest step forgets earlier crashes. False when it isn't ``owner``'s."""
        rows = self._write(
            "UPDATE job SET heartbeat = ?, beats = beats + 1, step = ?, steps = ?, seconds_left = ?, "
            "message = CASE ? WHEN '' THEN message ELSE ? END, furthest = max(furthest, ?), "
            "crashes = CASE WHEN ? > furthest THEN 0 ELSE crashes END, "
            "kills = CASE WHEN ? > furthest THEN 0 ELSE kills END "
            "WHERE id = ? AND owner = ? AND status = 'running' RETURNING id",
            *(time.time(), step, steps, seconds_left, message, message, step, step, step, job, owner),
        )
        return bool(rows)

    def beat(self, job: int, owner: str) -> None:
        """A sign of life where there is nothing to tell."""
        self._write(
            "UPDATE job SET heartbeat = ?, beats = beats + 1 WHERE id = ? AND owner = ? AND status = 'running'",
            *(time.time(), job, owner),
        )

    def pulse(self) -> Pulse | None:
        """Of the running job; None when none runs."""
        row = self._db.execute(
            "SELECT id, attempts, beats, step FROM job WHERE status = 'running' ORDER BY id LIMIT 1"
        ).fetchone()
        return Pulse(*row) if row else None

    def pause(self, job: int, owner: str, message: str) -> None:
        """Put a running job back into the queue with the reason; it goes on from its checkpoint when its turn comes."""
        self._write(
            "UPDATE job SET status = 'queued', owner = NULL, seconds_left = -1, message = ? "
            "WHERE id = ? AND owner = ? AND status = 'running'",
            *(message, job, owner),
        )

    def must_stop(self, job: int, owner: str) -> bool:
        """Whether a cancel was asked for, or the job was taken from ``owner``."""
        row = self._db.execute("SELECT cancel_requested, owner, status FROM job WHERE id = ?", (job,)).fetchone()
        return row is None or bool(row["cancel_requested"]) or row["owner"] != owner or row["status"] != Status.RUNNING

    def finish(self, job: int, owner: str, result: dict[str, Any], cancelled: bool = False) -> None:
        status = Status.CANCELLED if cancelled else Status.DONE
        kept = [inside(file, self._folder) for file in result.get("files", [])]
        self._end(job, owner, status, json.dumps({**result, "files": kept}, default=str), None)

    def fail(self, job: int, owner: str, error: str) -> None:
        self._end(job, owner, Status.FAILED, None, error)

    def _end(self, job: int, owner: str, status: Status, result: str | None, error: str | None) -> None:
        with self._durable():
            self._write(
                "UPDATE job SET status = ?, result = ?, error = ?, finished = ?, owner = NULL, "
                f"ended = {_NEXT_END} WHERE id = ? AND owner = ? AND status = 'running'",
                *(status, result, error, time.time(), job, owner),
            )

    def requeue_running(self, crashed: str = "", killed: str = "") -> tuple[Job, ...]:
        """Put running jobs back into the queue, to go on from their checkpoints; only with no worker alive.

        ``crashed`` says how a worker ended by itself, ``killed`` how something outside ended it. Either counts, until
        the job gets further than before: after ``MOST_CRASHES`` or ``MOST_KILLS`` it fails with that text. A cancel
        that was asked for is carried out.
        """
        with self._transaction():
            running = self._jobs("SELECT * FROM job WHERE status = 'running' ORDER BY id")
            for job in running:
                crashes, kills = job.crashes + bool(crashed), job.kills + bool(killed)
                status, error = Status.QUEUED, None
                if job.cancel_requested:
                    status = Status.CANCELLED
                elif crashes >= MOST_CRASHES and crashed:
                    status = Status.FAILED
                    error = (
                        f"job {job.id}: the worker died {crashes} times on it, last by {crashed}. "
                        "If memory ran out, use a smaller batch or fewer stems; the daemon's log may say more."
                    )
                elif kills >= MOST_KILLS and killed:
                    status = Status.FAILED
                    error = (
                        f"job {job.id}: was cut off {kills} times without a new step, last by {killed}. "
                        "Find what ends it (a memory guard, a task manager), then send it again."
                    )
                self._db.execute(
                    "UPDATE job SET status = ?, error = ?, crashes = ?, kills = ?, finished = ?, owner = NULL, "
                    f"seconds_left = -1, ended = CASE WHEN ? THEN {_NEXT_END} END WHERE id = ?",
                    (status, error, crashes, kills, time.time() if status.ended else None, status.ended, job.id),
                )
        return tuple(self.get(job.id) for job in running)

    def removable(self) -> tuple[Job, ...]:
        """Ended jobs whose client was told and whose files are there, in the order in which they ended."""
        return tuple(
            self._jobs("SELECT * FROM job WHERE ended > 0 AND announced = 1 AND removed IS NULL ORDER BY ended")
        )

    def removed(self) -> list[Job]:
        """Jobs whose files retention took."""
        return self._jobs("SELECT * FROM job WHERE removed IS NOT NULL")

    def note_removal(self, job: int) -> bool:
        """Say that an ended job's files go. False when a job that waits or runs reads one of them."""
        with self._transaction():
            results = self._folder / "jobs" / str(job)
            if any(path.is_relative_to(results) for living in self.living() for path in living.reads):
                return False
            self._db.execute(
                "UPDATE job SET removed = ? WHERE id = ? AND ended > 0 AND removed IS NULL", (time.time(), job)
            )
        return True

    def ends(self) -> int:
        """How often a job ended, over all jobs; an end counts only where a worker had the job."""
        return int(self._db.execute("SELECT coalesce(max(ended), 0) FROM job").fetchone()[0])

    def living(self) -> list[Job]:
        """Jobs that wait or run."""
        return self._jobs("SELECT * FROM job WHERE status IN ('queued', 'running')")

    def keeping(self) -> list[Job]:
        """Jobs that wait, run, or whose files are still there."""
        return self._jobs("SELECT * FROM job WHERE removed IS NULL")

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [self._job(row) for row in self._db.execute(query, values)]

    def _job(self, row: sqlite3.Row) -> Job:
        return from_row(row, self._folder)
