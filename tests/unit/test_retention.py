"""Results go by age and size, oldest first; never a living job's, a file that one reads, or anything outside."""

import time

import pytest

from sds_bridge.daemon.retention import DAY, Keep, SteadyDate, keep_of, sweep
from sds_bridge.daemon.store import Status, Store
from sds_bridge.errors import InputError

MEGABYTE = 1_000_000


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def ended(store, folder, size=MEGABYTE, told=True, **request):
    job = store.create("tune", {"prompt": "kick", **request}, priority=100).id
    assert store.claim("w").id == job
    results(folder, job, size)
    store.finish(job, "w", {"files": [str(folder / "jobs" / str(job) / "patch.json")]})
    if told:
        store.announced(job)
    return job


def results(folder, job, size=MEGABYTE):
    made = folder / "jobs" / str(job)
    (made / "exports").mkdir(parents=True)
    (made / "patch.json").write_bytes(bytes(size))


def there(folder):
    return sorted(int(path.name) for path in (folder / "jobs").iterdir())


def test_nothing_goes_unless_asked_for(store, tmp_path):
    for _ in range(3):
        ended(store, tmp_path)
    assert sweep(store, tmp_path, Keep(), time.time() + 1000 * DAY) == []
    assert there(tmp_path) == [1, 2, 3]


def test_old_results_go_and_their_jobs_stay_known(store, tmp_path):
    for _ in range(3):
        ended(store, tmp_path)
    assert sweep(store, tmp_path, Keep(days=7), time.time() + 6 * DAY) == []
    assert sweep(store, tmp_path, Keep(days=7), time.time() + 8 * DAY) == [1, 2]
    assert there(tmp_path) == [3]  # the newest stays
    assert (store.get(1).status, store.get(3).removed) == (Status.DONE, None)
    assert store.get(1).removed is not None


def test_beyond_the_size_the_first_that_ended_go(store, tmp_path):
    for _ in range(5):
        ended(store, tmp_path)
    assert sweep(store, tmp_path, Keep(size=3 * MEGABYTE + 9), time.time()) == [1, 2]
    assert sweep(store, tmp_path, Keep(size=1), time.time()) == [3, 4]
    assert there(tmp_path) == [5]


def test_the_order_of_ends_counts_and_not_the_clock(store, tmp_path, monkeypatch):
    ended(store, tmp_path)
    monkeypatch.setattr(time, "time", lambda: 1000.0)  # set back by decades
    for _ in range(2):
        ended(store, tmp_path)
    assert sweep(store, tmp_path, Keep(size=2 * MEGABYTE + 9), 0.0) == [1]


def test_setting_the_clock_removes_nothing(monkeypatch):
    date = SteadyDate()
    before = date()
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert 0 <= date() - before < 1


def test_what_lives_is_left_alone(store, tmp_path):
    untold = ended(store, tmp_path, told=False)
    source = ended(store, tmp_path)
    running = store.create("tune", {"prompt": "kick"}).id
    store.claim("w")
    waiting = store.create("tune", {"start": str(tmp_path / f"jobs/{source}/exports/step-3.patch.json")}).id
    for job in (running, waiting):
        results(tmp_path, job)
    newest = ended(store, tmp_path)
    assert sweep(store, tmp_path, Keep(days=0.001, size=1), time.time() + DAY) == []
    assert there(tmp_path) == [untold, source, running, waiting, newest]
    store.request_cancel(waiting)
    assert sweep(store, tmp_path, Keep(days=0.001), time.time() + DAY) == [source]


def test_clips_go_when_no_job_needs_them(store, tmp_path):
    outside = tmp_path / "mine"
    uploads = tmp_path / "daemon" / "uploads"
    outside.mkdir()
    uploads.mkdir(parents=True)
    names = ["00000001-used.wav", "00000002-waiting.wav", "00000003-unused.wav", "my-own.wav", "00000004-new.wav"]
    for name in names:
        (uploads / name).write_bytes(b"x")
    (outside / "clip.wav").write_bytes(b"x")
    (uploads / "00000005-link.wav").symlink_to(outside / "clip.wav")
    folder = tmp_path / "daemon"
    mine = Store(folder / "jobs.sqlite")
    ended(mine, folder, clip=str(uploads / names[0]))
    ended(mine, folder, clip=str(outside / "clip.wav"))
    ended(mine, folder)
    mine.create("separate", {"clip": str(uploads / names[1]), "stems": ["x"]})
    sweep(mine, folder, Keep(), time.time() + 0.9 * DAY)
    assert len(list(uploads.iterdir())) == 6
    import os

    os.utime(uploads / names[4], (time.time() + DAY, time.time() + DAY))
    sweep(mine, folder, Keep(days=1), time.time() + 1.1 * DAY)
    left = sorted(path.name for path in uploads.iterdir())
    assert left == [names[1], names[4], "00000005-link.wav", "my-own.wav"]
    assert (outside / "clip.wav").exists()
    mine.close()


def test_links_are_not_followed(store, tmp_path):
    job, last = ended(store, tmp_path), ended(store, tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "song.wav").write_bytes(b"x")
    (tmp_path / "jobs" / str(job) / "folder").symlink_to(tmp_path / "mine")
    sweep(store, tmp_path, Keep(size=1), time.time())
    assert there(tmp_path) == [last]
    (tmp_path / "jobs" / "1").symlink_to(tmp_path / "mine")  # of a job whose results went before
    sweep(store, tmp_path, Keep(), time.time())
    assert not (tmp_path / "jobs" / "1").is_symlink()
    assert (tmp_path / "mine" / "song.wav").exists()


def test_settings_are_checked():
    assert keep_of(7, 2.5) == Keep(7, 2_500_000_000)
    assert keep_of(None, None) == Keep()
    for days, size in ((0, None), (None, -1), (float("nan"), None)):
        with pytest.raises(InputError, match="give a number above 0"):
            keep_of(days, size)
