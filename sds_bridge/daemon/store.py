"""Jobs in SQLite (WAL). Every change is one transaction, so a ``kill -9`` at any moment loses none."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from sds_bridge.daemon import room
from sds_bridge.daemon.job import ClientId as ClientId
from sds_bridge.daemon.job import Endpoint as Endpoint
from sds_bridge.daemon.job import Job as Job
from sds_bridge.daemon.job import Need, Pulse, from_row, inside, relative
from sds_bridge.daemon.job import Status as Status
from sds_bridge.errors import JobError

SCHEMA_VERSION = 2
MOST_QUEUED = 100
# in a row, with no new step between
MOST_CRASHES = 3
MOST_KILLS = 25
PRIORITIES = (-100, 100)
_WAL_PAGES = 200
_NEXT = "(SELECT id FROM job WHERE status = 'queued' ORDER BY priority DESC, id LIMIT 1)"
_NEXT_END = "(SELECT coalesce(max(ended), 0) + 1 FROM job)"


class Store:
    """The job table in the file ``path``, made when missing. One a process; not for sharing between threads.

    Paths under the store's own folder are kept relative to it, so that the folder may be moved or restored elsewhere.

    Raises:
        JobError: the file is not a job store, is damaged, or was made by a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._folder = self.path.parent.resolve()
        try:
            try:
                self._open()
            except sqlite3.OperationalError as error:
                if not room.tells_full(error) or not room.give_reserve(self._folder):
                    raise
                self._open()
        except sqlite3.DatabaseError as error:
            if room.tells_full(error) or room.is_short(self._folder):
                raise JobError(
                    f"{self.path}: can't be opened, for the disk is full ({room.megabytes(room.free(self._folder))} "
                    "free). Make room and start again; every job is kept."
                ) from None
            raise JobError(
                f"{self.path}: not a usable job store ({error}). Move it away, or give another --dir."
            ) from None

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        # a log that stays small and is written again from its beginning needs no room on a full disk
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        self._migrate()

    def _migrate(self) -> None:
        if self._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            return
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise JobError(
                    f"{self.path}: job store version {version}; this program knows version {SCHEMA_VERSION}. "
                    "Update sds-bridge, or give another --dir."
                )
            for number in range(version + 1, SCHEMA_VERSION + 1):
                script = files(__package__).joinpath("schema", f"{number}.sql").read_text("utf-8")
                for statement in script.split(";\n"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self._db.close()

    def backup(self, path: Path) -> None:
        """A whole copy as of now in the file ``path``, made beside and renamed; the daemon may work meanwhile.

        Raises:
            JobError: it can't be written.
        """
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            beside.unlink(missing_ok=True)
            self._db.execute("VACUUM INTO ?", (str(beside),))
            os.replace(beside, path)
        except (OSError, sqlite3.Error) as error:
            beside.unlink(missing_ok=True)
            raise JobError(f"{path}: can't be written ({error}). Give a file in a folder with room.") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have done that already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _durable(self) -> Iterator[None]:
        """What is committed here is on the disk, not only in the system's memory, when this ends."""
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def _write(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """One statement that changes something, with the reserve given up for it when the disk is full."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if not room.tells_full(error) or not room.give_reserve(self.path.parent):
                raise
            return self._db.execute(query, values).fetchall()

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

    def version(self) -> tuple[int, int]:
        """Differs from an earlier one when anything was written since, here or by another process."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [self._job(row) for row in self._db.execute(query, values)]

    def _job(self, row: sqlite3.Row) -> Job:
        return from_row(row, self._folder)
