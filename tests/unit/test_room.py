"""A disk that fills up, on a real one of a few megabytes where this user may mount it."""

import errno
import os
import sqlite3

import pytest
import soundfile
from safetensors import SafetensorError
from small_disk import fill, mounted

from sds_bridge.daemon import room
from sds_bridge.daemon.store import Status, Store
from sds_bridge.errors import JobError


@pytest.fixture
def disk(tmp_path):
    yield from mounted(tmp_path / "disk", 4)


def test_a_small_disk_has_a_small_floor(disk):
    assert room.floor(disk) == room.shutil.disk_usage(disk).total // 20 < 1 << 18
    assert not room.is_short(disk)
    assert room.lacking(disk, 1 << 20) == ""
    fill(disk)
    assert room.is_short(disk) and room.free(disk) == 0
    assert room.lacking(disk, 5_000_000) == f"needs 5.2 MB on the disk of {disk}, 0.0 MB are free"


def test_a_store_on_a_full_disk_refuses_new_jobs_and_still_notes_how_old_ones_end(disk):
    room.keep_reserve(disk)
    store = Store(disk / "jobs.sqlite")
    job = store.create("tune", {"prompt": "kick"}).id
    assert store.claim("w").id == job
    with sqlite3.connect(disk / "jobs.sqlite") as other:  # a reader keeps the log from being written over
        other.execute("BEGIN")
        other.execute("SELECT * FROM job").fetchall()
        fill(disk)
        with pytest.raises(JobError, match=r"the disk of .* is full \(0\.0 MB free\)\. Make room there and ask again"):
            for _ in range(90):
                store.create("tune", {"prompt": "kick " * 500})
        other.execute("ROLLBACK")
    other.close()
    assert (disk / room.FILE).exists()
    store.finish(job, "w", {"summary": {"text": "x" * 20_000}})
    assert not (disk / room.FILE).exists()
    assert store.get(job).status is Status.DONE
    (disk / "filler").unlink()
    assert store.create("tune", {"prompt": "kick"}).status is Status.QUEUED
    room.keep_reserve(disk)
    assert (disk / room.FILE).stat().st_size == room.floor(disk) // 2
    store.close()


def test_a_store_that_can_not_be_opened_on_a_full_disk_says_so(disk):
    Store(disk / "jobs.sqlite").close()
    fill(disk)
    with pytest.raises(JobError, match=r"the disk is full .*Make room and start again; every job is kept"):
        Store(disk / "jobs.sqlite")
    (disk / "filler").unlink()
    Store(disk / "jobs.sqlite").close()


def chained():
    try:
        try:
            raise OSError(errno.ENOSPC, "x")
        except OSError as error:
            raise RuntimeError("can't save") from error
    except RuntimeError as error:
        return error


FULL = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    OSError(errno.EFBIG, os.strerror(errno.EFBIG)),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    chained(),
]
OTHER = [OSError(errno.ENOENT, "x"), ValueError("space"), JobError("full of sound"), None]


@pytest.mark.parametrize(("errors", "full"), [(FULL, True), (OTHER, False)])
def test_which_errors_tell_a_full_disk(errors, full):
    assert [room.tells_full(error) for error in errors] == [full] * len(errors)


def test_what_libraries_raise_on_a_full_disk_is_known(disk):
    import numpy as np
    import torch
    from safetensors.torch import save_file

    (disk / "clip.wav").write_bytes(b"")
    fill(disk)
    with pytest.raises(Exception) as told:
        save_file({"x": torch.zeros(100_000)}, disk / "x.safetensors")
    assert room.tells_full(told.value) or room.is_short(disk)
    with pytest.raises(Exception):  # noqa: B017
        soundfile.write(disk / "clip.wav", np.zeros(100_000), 44_100)
    assert room.is_short(disk)


def test_halves_are_cleared_and_nothing_else(tmp_path):
    halves = [".patch.json.123.part", ".before-after.77.png", ".checkpoint.safetensors.9.part"]
    kept = [".steps.part", ".checkpoint.safetensors", "take.1.png", "a.12.part", ".start.safetensors", "preview.wav"]
    for name in halves + kept:
        (tmp_path / name).write_text("x")
    room.clear_halves(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)
