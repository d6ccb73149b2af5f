"""What ended jobs wrote, removed by age and by size; and clips that were sent and that no job needs.

Removed are ``jobs/<id>`` of ended jobs, oldest end first, and files in ``uploads``: nothing outside the daemon's own
folder, nothing of a job that waits or runs, no file that such a job reads, never the newest result. The job itself
stays in the store.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.daemon.access import job_folder
from sds_bridge.daemon.job import Job
from sds_bridge.daemon.room import megabytes
from sds_bridge.daemon.store import Store
from sds_bridge.errors import InputError, JobError

SWEEP_SECONDS = 60.0
# a clip that no job was made of
UNUSED_DAYS = 1.0
DAY = 86_400.0
# as http/uploads.py names them: what a user put there is left alone
_SENT = re.compile("[0-9a-f]{8}-")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keep:
    """``days`` after their end, and ``size`` in bytes of all results and clips; None keeps all."""

    days: float | None = None
    size: int | None = None


def keep_of(days: float | None, gigabytes: float | None) -> Keep:
    """Raises InputError for a number that can't be meant."""
    for name, value in (("--keep-days", days), ("--keep-gb", gigabytes)):
        if value is not None and not 0 < value < 1e6:
            raise InputError(f"{name} {value:g}: give a number above 0, or leave it away to keep all.")
    return Keep(days, None if gigabytes is None else round(gigabytes * 1e9))


class SteadyDate:
    """The date as it was at the start plus the time since by the steady clock: who sets the clock removes nothing."""

    def __init__(self) -> None:
        self._began = time.time() - time.monotonic()

    def __call__(self) -> float:
        return self._began + time.monotonic()


KEEP_ALL = Keep()


def sweep(store: Store, folder: Path, keep: Keep, now: float) -> list[int]:
    """Remove what need not be kept at the date ``now``; the jobs whose results went."""
    for job in store.removed():  # a sweep may have been cut off
        _remove(job_folder(folder, job.id))
    ended = list(store.removable())
    gone: list[int] = []
    for job in _due(ended, folder, keep, now):
        if store.note_removal(job.id):
            _remove(job_folder(folder, job.id))
            gone.append(job.id)
            log.info("job %d: its results were removed, as --keep-days or --keep-gb says", job.id)
    _remove_clips(store, folder, now)
    return gone


def _due(ended: list[Job], folder: Path, keep: Keep, now: float) -> list[Job]:
    candidates, due = ended[:-1], []
    if keep.days is not None:
        due = [job for job in candidates if job.finished is not None and now - job.finished > keep.days * DAY]
    if keep.size is not None:
        over = _size(folder / "jobs") + _size(folder / "uploads") - keep.size
        over -= sum(_size(job_folder(folder, job.id)) for job in due)
        for job in candidates:
            if over <= 0:
                break
            if job not in due:
                due.append(job)
                over -= _size(job_folder(folder, job.id))
    return due


def _remove_clips(store: Store, folder: Path, now: float) -> None:
    needed = {path for job in store.keeping() for path in job.reads}
    used = {path for job in store.removed() for path in job.reads}
    for clip in _inside(folder / "uploads"):
        if not _SENT.match(clip.name) or clip.resolve() in needed or clip in needed:
            continue
        if clip in used or now - clip.stat().st_mtime > UNUSED_DAYS * DAY:
            clip.unlink(missing_ok=True)
            log.info("%s: removed; no job needs it", clip)


def _inside(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()] if folder.is_dir() else []


def _size(folder: Path) -> int:
    """Bytes of the files under ``folder``; links are not followed."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(base) / name).lstat().st_size
            except OSError:
                continue
    return total


def _remove(folder: Path) -> None:
    """A link in the folder's place, or in it, goes by itself: what it leads to stays."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


class Sweeper:
    """``sweep`` every minute in a thread of its own, so that answers don't wait for a disk."""

    def __init__(self, store: Path, folder: Path, keep: Keep, date: Callable[[], float] | None = None) -> None:
        self._store, self._folder, self._keep = store, folder, keep
        self._date = date or SteadyDate()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            store = Store(self._store)
        except JobError as error:
            log.error("results are not removed: %s", error)
            return
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                sweep(store, self._folder, self._keep, self._date())
            except (OSError, sqlite3.Error) as error:
                log.error("results can't be removed just now: %s", error)
        store.close()


def told(keep: Keep) -> str:
    """The setting in words, for the log."""
    days = "" if keep.days is None else f" {keep.days:g} days after their end"
    size = "" if keep.size is None else f" beyond {megabytes(keep.size)}"
    return f"results of ended jobs are removed{days}{' and' if days and size else ''}{size}" if days or size else ""
