"""Room on the disk: how much there is, when to stop for the lack of it, and a reserve for the job store's last words.

A job stops while there is still room for its checkpoint and for the store. What stops too late, because the disk was
filled at once, is told by the error, and the store then takes the reserve's place.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
from pathlib import Path

FLOOR = 32 << 20
RESERVE = 1 << 20
FILE = ".reserve"
_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_TEXTS = ("no space left", "os error 28", "disk is full", "quota exceeded", "file too large")


def free(folder: Path) -> int:
    """Bytes that this user may still write where ``folder`` lies."""
    return shutil.disk_usage(folder).free


def floor(folder: Path) -> int:
    """Bytes that stay free: 32 MB, or a twentieth of a disk that is small."""
    return min(FLOOR, shutil.disk_usage(folder).total // 20)


def is_short(folder: Path) -> bool:
    return free(folder) < floor(folder)


def lacking(folder: Path, wanted: int) -> str:
    """Why a job that writes ``wanted`` bytes can't start just now, or nothing."""
    needed, there = wanted + floor(folder), free(folder)
    if there >= needed:
        return ""
    return f"needs {megabytes(needed)} on the disk of {folder}, {megabytes(there)} are free"


def megabytes(count: float) -> str:
    return (
        f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"
    )


def tells_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is a full disk, a used-up quota or a limit on a file's size."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return True
        if getattr(error, "sqlite_errorcode", 0) in _SQLITE:
            return True
        if any(text in str(error).lower() for text in _TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def keep_reserve(folder: Path) -> None:
    """Have the reserve there, where there is room for it."""
    file = folder / FILE
    size = min(RESERVE, floor(folder) // 2)
    with contextlib.suppress(OSError):
        if not file.exists() and free(folder) > floor(folder) + 2 * size:
            file.write_bytes(b"\xa5" * size)


def give_reserve(folder: Path) -> bool:
    """Give the reserve up; whether there was one."""
    try:
        (folder / FILE).unlink()
    except OSError:
        return False
    return True


def clear_halves(folder: Path) -> None:
    """Remove what a process that ended in the middle of a file left beside it (``.name.123.part``, ``.name.123.png``)."""
    for half in folder.glob(".*.*.*"):
        number, suffix = half.name.rsplit(".", 2)[1:]
        if number.isdigit() and suffix in ("part", "png"):
            with contextlib.suppress(OSError):
                half.unlink()
