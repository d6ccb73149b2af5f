"""A lock that ends with its process, on every system: an exclusive SQLite transaction on an empty file."""

from __future__ import annotations

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

    Raises:
        TimeoutError: another process held it for ``timeout`` seconds.
    """

    def __init__(self, path: str | Path, timeout: float) -> None:
        self._db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._db.close()
            raise TimeoutError(f"{path}: {error}") from None

    def release(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
