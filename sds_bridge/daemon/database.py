"""The SQLite file (WAL) that jobs are kept in: opened, migrated, backed up, and written to when the disk is full.

Every change is one transaction, so a ``kill -9`` at any moment loses none.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from sds_bridge.daemon import room
from sds_bridge.errors import JobError

SCHEMA_VERSION = 2
_WAL_PAGES = 200


class Database:
    """The file ``path``, made when missing. One a process; not for sharing between threads.

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

    def version(self) -> tuple[int, int]:
        """Differs from an earlier one when anything was written since, here or by another process."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes
