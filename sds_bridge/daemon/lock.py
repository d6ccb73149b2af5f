"""A lock that ends with its process, on every system: an exclusive SQLite transaction on an empty file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Self

ORPHAN_SECONDS = 20.0
"""How long to wait for the worker of a daemon that was killed to end."""


def worker_lock(folder: Path) -> Path:
    """Held by the worker that may run jobs in ``folder``."""
    return folder / "worker.lock"


class ProcessLock:
    """Hold ``path`` until ``release`` or the death of this process; two holders can't be.

    The holder's process id lies beside it, in ``path`` with ``.holder``: only to be told, never to be believed in.

    Raises:
        TimeoutError: another process held it for ``timeout`` seconds; the text names it where that is known.
    """

    def __init__(self, path: str | Path, timeout: float) -> None:
        self._holder = Path(f"{path}.holder")
        self._db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = MEMORY")  # or a full disk would refuse the lock
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._db.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise TimeoutError(self._named()) from None
        self.tell("")

    def tell(self, more: str) -> None:
        """Leave this process's number, and ``more`` about it, for those who come later."""
        with contextlib.suppress(OSError):  # a full disk must not stop a start
            self._holder.write_text(f"process {os.getpid()}{more and ', '}{more}", encoding="utf-8")

    def _named(self) -> str:
        try:
            return self._holder.read_text(encoding="utf-8")[:200] or "a process that can't be named"
        except (OSError, UnicodeDecodeError):
            return "a process that can't be named"

    def release(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
