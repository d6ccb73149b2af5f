"""Jobs in SQLite (WAL). Every change is one transaction, so a ``kill -9`` at any moment loses none."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from sds_bridge.errors import JobError

SCHEMA_VERSION = 1
MOST_QUEUED = 100
MOST_CRASHES = 3

ClientId = str | int | float
Endpoint = tuple[str, int]


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True)
class Job:
    """One row of ``schema.sql``. Times are seconds since 1970; ``seconds_left`` is -1 while unknown."""

    id: int
    client_id: ClientId
    reply: tuple[Endpoint, ...]
    kind: str
    request: dict[str, Any]
    status: Status
    cancel_requested: bool
    attempts: int
    crashes: int
    step: int
    steps: int
    seconds_left: float
    message: str
    result: dict[str, Any] | None
    error: str | None
    announced: bool
    created: float
    started: float | None
    heartbeat: float | None
    finished: float | None


class Store:
    """The job table in the file ``path``, made when missing. One a process; not for sharing between threads.

    Raises:
        JobError: the file is not a job store, is damaged, or was made by a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._migrate()
        except sqlite3.DatabaseError as error:
            raise JobError(
                f"{self.path}: not a usable job store ({error}). Move it away, or give another --dir."
            ) from None

    def _migrate(self) -> None:
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in files(__package__).joinpath("schema.sql").read_text("utf-8").split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise JobError(
                    f"{self.path}: job store version {version}; this program knows version {SCHEMA_VERSION}. "
                    "Update sds-bridge, or give another --dir."
                )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def create(
        self,
        kind: str,
        request: dict[str, Any],
        client_id: ClientId = "",
        reply: Sequence[Endpoint] = (),
        token: str | None = None,
        at_least: int = 1,
    ) -> Job:
        """Queue a job, or give the one that the same ``token`` made. Ids rise from ``at_least`` and are never reused.

        Raises:
            JobError: ``MOST_QUEUED`` jobs wait already.
        """
        with self._transaction():
            if token is not None:
                known = self._db.execute("SELECT * FROM job WHERE token = ?", (token,)).fetchone()
                if known is not None:
                    return _job(known)
            waiting = self._db.execute("SELECT count(*) FROM job WHERE status = 'queued'").fetchone()[0]
            if waiting >= MOST_QUEUED:
                raise JobError(f"{waiting} jobs wait; at most {MOST_QUEUED} may. Cancel some, or wait for one to end.")
            row = self._db.execute(
                "INSERT INTO job (id, token, client_id, reply, kind, request, created) "
                "SELECT max(coalesce(max(id), 0) + 1, ?), ?, ?, ?, ?, ?, ? FROM job RETURNING *",
                (
                    at_least,
                    token,
                    json.dumps(client_id),
                    json.dumps(list(reply)),
                    kind,
                    json.dumps(request),
                    time.time(),
                ),
            ).fetchall()[0]
        return _job(row)

    def get(self, job: int) -> Job:
        """Raises JobError when there is no such job."""
        row = self._db.execute("SELECT * FROM job WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise JobError(f"job {job}: no such job. /sds/job/list names the jobs there are.")
        return _job(row)

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
        self._db.execute("UPDATE job SET announced = 1 WHERE id = ?", (job,))

    def remark_queued(self, message: str) -> None:
        """Tell those who wait why they do."""
        self._db.execute("UPDATE job SET message = ? WHERE status = 'queued'", (message,))

    def request_cancel(self, job: int) -> Job:
        """A queued job is cancelled at once, a running one at its worker's next step; an ended one stays as it is.

        Raises:
            JobError: no such job, or it has ended otherwise.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE job SET cancel_requested = 1, finished = CASE status WHEN 'queued' THEN ? END, "
                "status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END "
                "WHERE id = ? AND status IN ('queued', 'running')",
                (time.time(), job),
            )
        found = self.get(job)
        if found.status in (Status.DONE, Status.FAILED):
            raise JobError(f"job {job}: is {found.status} already; only a queued or running job can be cancelled.")
        return found

    def claim(self, owner: str) -> Job | None:
        """Give the oldest queued job to the worker ``owner``, or None."""
        now = time.time()
        rows = self._db.execute(
            "UPDATE job SET status = 'running', owner = ?, attempts = attempts + 1, heartbeat = ?, "
            "started = coalesce(started, ?) "
            "WHERE id = (SELECT id FROM job WHERE status = 'queued' ORDER BY id LIMIT 1) RETURNING *",
            (owner, now, now),
        ).fetchall()
        return _job(rows[0]) if rows else None

    def progress(self, job: int, owner: str, step: int, steps: int, seconds_left: float, message: str = "") -> bool:
        """Heartbeat. False when the job is no longer ``owner``'s."""
        cursor = self._db.execute(
            "UPDATE job SET heartbeat = ?, step = ?, steps = ?, seconds_left = ?, "
            "message = CASE ? WHEN '' THEN message ELSE ? END WHERE id = ? AND owner = ? AND status = 'running'",
            (time.time(), step, steps, seconds_left, message, message, job, owner),
        )
        return cursor.rowcount == 1

    def must_stop(self, job: int, owner: str) -> bool:
        """Whether a cancel was asked for, or the job was taken from ``owner``."""
        row = self._db.execute("SELECT cancel_requested, owner, status FROM job WHERE id = ?", (job,)).fetchone()
        return row is None or bool(row["cancel_requested"]) or row["owner"] != owner or row["status"] != Status.RUNNING

    def finish(self, job: int, owner: str, result: dict[str, Any], cancelled: bool = False) -> None:
        status = Status.CANCELLED if cancelled else Status.DONE
        self._end(job, owner, status, json.dumps(result, default=str), None)

    def fail(self, job: int, owner: str, error: str) -> None:
        self._end(job, owner, Status.FAILED, None, error)

    def _end(self, job: int, owner: str, status: Status, result: str | None, error: str | None) -> None:
        self._db.execute(
            "UPDATE job SET status = ?, result = ?, error = ?, finished = ?, owner = NULL "
            "WHERE id = ? AND owner = ? AND status = 'running'",
            (status, result, error, time.time(), job, owner),
        )

    def silent_seconds(self) -> float:
        """How long ago a running job was last heard of; 0 when none runs."""
        row = self._db.execute("SELECT min(heartbeat) AS oldest FROM job WHERE status = 'running'").fetchone()
        return 0.0 if row["oldest"] is None else time.time() - row["oldest"]

    def requeue_running(self, crashed: str = "") -> tuple[Job, ...]:
        """Put running jobs back into the queue, to go on from their checkpoints; only with no worker alive.

        ``crashed`` says how a worker died under the daemon's eyes: such deaths count, and a job on which
        ``MOST_CRASHES`` workers died fails with that text. A cancel that was asked for is carried out.
        """
        with self._transaction():
            running = self._jobs("SELECT * FROM job WHERE status = 'running' ORDER BY id")
            for job in running:
                crashes = job.crashes + bool(crashed)
                status, error = Status.QUEUED, None
                if job.cancel_requested:
                    status = Status.CANCELLED
                elif crashes >= MOST_CRASHES:
                    status = Status.FAILED
                    error = (
                        f"job {job.id}: the worker died {crashes} times on it, last by {crashed}. "
                        "If memory ran out, use a smaller batch or fewer stems; the daemon's log may say more."
                    )
                self._db.execute(
                    "UPDATE job SET status = ?, error = ?, crashes = ?, finished = ?, owner = NULL WHERE id = ?",
                    (status, error, crashes, time.time() if status.ended else None, job.id),
                )
        return tuple(self.get(job.id) for job in running)

    def version(self) -> tuple[int, int]:
        """Differs from an earlier one when anything was written since, here or by another process."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [_job(row) for row in self._db.execute(query, values)]


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys() if name not in ("token", "owner")}  # noqa: SIM118
    for name in ("client_id", "request"):
        values[name] = json.loads(values[name])
    return Job(
        **values
        | {
            "reply": tuple((host, port) for host, port in json.loads(values["reply"])),
            "status": Status(values["status"]),
            "cancel_requested": bool(values["cancel_requested"]),
            "announced": bool(values["announced"]),
            "result": json.loads(values["result"]) if values["result"] else None,
        }
    )
