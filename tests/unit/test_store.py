"""The job store keeps every job, whatever happens to the processes around it."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from sds_bridge.daemon.lock import ProcessLock
from sds_bridge.daemon.store import MOST_CRASHES, MOST_KILLS, MOST_QUEUED, Status, Store
from sds_bridge.errors import JobError

REQUEST = {"prompt": "kick", "synth": "fm"}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def test_a_job_comes_back_as_it_was_put_in(store):
    made = store.create("tune", REQUEST, 7.0, [("127.0.0.1", 9001)], "token")
    assert store.get(made.id) == made
    assert (made.client_id, type(made.client_id)) == (7.0, float)
    assert made.reply == (("127.0.0.1", 9001),)
    assert (made.request, made.status, made.attempts) == (REQUEST, Status.QUEUED, 0)


def test_a_token_makes_one_job(store):
    first = store.create("tune", REQUEST, token="a")
    assert store.create("tune", REQUEST, token="a").id == first.id
    assert store.create("tune", REQUEST, token="b").id != first.id
    assert store.create("tune", REQUEST).id != store.create("tune", REQUEST).id


def test_ids_rise_above_folders_that_exist(store):
    assert store.create("tune", REQUEST, at_least=41).id == 41
    assert store.create("tune", REQUEST, at_least=3).id == 42


def test_oldest_first_and_claimed_once(store):
    ids = [store.create("tune", REQUEST).id for _ in range(3)]
    claimed = [store.claim("w").id for _ in range(3)]
    assert claimed == ids
    assert store.claim("w") is None
    assert len(store.newest()) == 3


def test_two_workers_never_claim_one_job(tmp_path):
    path = tmp_path / "jobs.sqlite"
    store = Store(path)
    for _ in range(40):
        store.create("tune", REQUEST)
    claimed: list[int] = []

    def work(name: str) -> None:
        mine = Store(path)
        while (job := mine.claim(name)) is not None:
            claimed.append(job.id)
        mine.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(1, 41))


def test_progress_and_result_belong_to_the_owner(store):
    job = store.create("tune", REQUEST).id
    store.claim("mine")
    assert not store.progress(job, "other", 5, 10, 1.0)
    store.finish(job, "other", {})
    assert store.get(job).status is Status.RUNNING
    assert store.must_stop(job, "other")
    assert not store.must_stop(job, "mine")
    assert store.progress(job, "mine", 5, 10, 1.5, "hm")
    assert store.progress(job, "mine", 6, 10, 1.0)
    store.finish(job, "mine", {"files": ["a"]})
    ended = store.get(job)
    assert (ended.status, ended.step, ended.message, ended.result) == (Status.DONE, 6, "hm", {"files": ["a"]})
    assert ended.created <= ended.started <= ended.heartbeat <= ended.finished


def test_cancel_by_state(store):
    queued, running = store.create("tune", REQUEST).id, store.create("tune", REQUEST).id
    assert store.request_cancel(queued).status is Status.CANCELLED
    assert store.claim("w").id == running
    assert store.request_cancel(running).status is Status.RUNNING
    assert store.must_stop(running, "w")
    store.finish(running, "w", {}, cancelled=True)
    assert store.request_cancel(running).status is Status.CANCELLED
    failed = store.create("tune", REQUEST).id
    store.claim("w")
    store.fail(failed, "w", "no")
    with pytest.raises(JobError, match="is failed already"):
        store.request_cancel(failed)
    with pytest.raises(JobError, match="job 99: no such job"):
        store.request_cancel(99)


def test_a_running_job_is_queued_again_after_a_kill(store):
    job = store.create("tune", REQUEST).id
    for attempt in range(1, 6):
        assert store.claim("w").attempts == attempt
        store.requeue_running()
    assert (store.get(job).status, store.get(job).crashes) == (Status.QUEUED, 0)


def test_a_job_that_kills_its_worker_fails_in_the_end(store):
    job = store.create("tune", REQUEST).id
    for crash in range(1, MOST_CRASHES + 1):
        store.claim("w")
        store.requeue_running(crashed="signal 11")
        assert store.get(job).crashes == crash
    assert store.get(job).status is Status.FAILED
    assert "died 3 times on it, last by signal 11" in store.get(job).error
    assert store.claim("w") is None


def test_a_cancel_survives_a_kill(store):
    job = store.create("tune", REQUEST).id
    store.claim("w")
    store.request_cancel(job)
    store.requeue_running()
    assert store.get(job).status is Status.CANCELLED


def test_ends_are_announced_once(store):
    job = store.create("tune", REQUEST).id
    assert store.to_announce() == ()
    store.claim("w")
    assert [j.id for j in store.to_announce()] == [job]
    store.fail(job, "w", "no")
    store.announced(job)
    assert store.to_announce() == ()


def test_the_queue_has_an_end(store):
    for _ in range(MOST_QUEUED):
        store.create("tune", REQUEST)
    with pytest.raises(JobError, match="100 jobs wait; at most 100 may"):
        store.create("tune", REQUEST)


@pytest.mark.parametrize("content", [b"this is not a database, but text" * 40, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_store_is_an_error_that_says_what_to_do(tmp_path, content):
    (tmp_path / "jobs.sqlite").write_bytes(content)
    with pytest.raises(JobError, match=r"not a usable job store.*another --dir"):
        Store(tmp_path / "jobs.sqlite")


def test_a_newer_store_is_left_alone(tmp_path):
    db = sqlite3.connect(tmp_path / "jobs.sqlite")
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(JobError, match="version 9; this program knows version 2"):
        Store(tmp_path / "jobs.sqlite")


def test_what_was_committed_survives_kill_9(tmp_path):
    script = (
        "import os, signal, sys; from sds_bridge.daemon.store import Store; s = Store(sys.argv[1])\n"
        "s.create('tune', {}); s.claim('w'); s.progress(1, 'w', 3, 9, 1.0); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "jobs.sqlite"], check=False)
    store = Store(tmp_path / "jobs.sqlite")
    assert (store.get(1).status, store.get(1).step) == (Status.RUNNING, 3)


def test_a_lock_has_one_holder_and_ends_with_its_process(tmp_path):
    path = tmp_path / "x.lock"
    hold = f"from sds_bridge.daemon.lock import ProcessLock; a = ProcessLock({str(path)!r}, 1); print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError):
        ProcessLock(path, 0.1)
    holder.kill()
    holder.communicate()
    with ProcessLock(path, 5):
        pass


def test_the_front_imports_no_torch():
    script = (
        "import sys; import sds_bridge.daemon.app, sds_bridge.daemon.client, sds_bridge.daemon.worker; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_version_tells_of_writes_here_and_elsewhere(tmp_path):
    store, other = Store(tmp_path / "jobs.sqlite"), Store(tmp_path / "jobs.sqlite")
    seen = [store.version()]
    assert store.version() == seen[0]
    for writer in (store, other):
        writer.create("tune", {"prompt": "kick"})
        seen.append(store.version())
        assert store.version() == seen[-1]
    assert len(set(seen)) == 3


def test_the_highest_priority_goes_first_and_of_those_the_oldest(store):
    for priority in (0, -1, 5, 0, 5):
        store.create("tune", REQUEST, priority=priority)
    assert [store.claim("w").id for _ in range(5)] == [3, 5, 1, 4, 2]


def test_a_new_furthest_step_forgets_crashes(store):
    job = store.create("tune", REQUEST).id
    for step in (3, 3, 4, 4):
        store.claim("w")
        store.progress(job, "w", step, 9, 1.0)
        store.requeue_running(crashed="signal 11")
    assert (store.get(job).status, store.get(job).crashes, store.get(job).attempts) == (Status.QUEUED, 2, 4)
    store.claim("w")
    store.progress(job, "w", 2, 9, 1.0)
    store.requeue_running(crashed="signal 11")
    assert store.get(job).status is Status.FAILED


def test_twenty_kills_are_no_fault_and_endless_ones_end(store):
    job = store.create("tune", REQUEST).id
    for _ in range(20):
        store.claim("w")
        store.requeue_running(killed="signal 9")
    assert store.get(job).status is Status.QUEUED
    while store.claim("w") is not None:
        store.requeue_running(killed="signal 9")
    assert (store.get(job).status, store.get(job).kills) == (Status.FAILED, MOST_KILLS)
    assert "was cut off 25 times without a new step, last by signal 9" in store.get(job).error


def test_a_paused_job_waits_with_its_reason_until_it_is_claimed(store):
    job = store.create("tune", REQUEST).id
    store.claim("w")
    store.progress(job, "w", 4, 9, 1.0)
    store.pause(job, "other", "not mine")
    store.pause(job, "w", "full")
    paused = store.get(job)
    assert (paused.status, paused.message, paused.step, paused.seconds_left) == (Status.QUEUED, "full", 4, -1)
    assert (paused.crashes, paused.kills) == (0, 0)
    assert [j.id for j in store.to_announce()] == [job]
    assert store.claim("w").message == ""


def test_ends_are_counted_in_their_order(store):
    for _ in range(3):
        store.create("tune", REQUEST)
    store.request_cancel(2)
    store.claim("w")
    store.fail(1, "w", "no")
    store.finish(1, "w", {})
    assert store.ends() == 2
    for job in (1, 2):
        store.announced(job)
    assert [job.id for job in store.removable()] == [2, 1]


def test_a_store_may_be_moved(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    store = Store(old / "jobs.sqlite")
    store.create("separate", {"clip": str(old / "uploads/a.wav"), "stems": ["x"]})
    store.create("separate", {"clip": "/elsewhere/b.wav", "stems": ["x"]})
    store.claim("w")
    store.finish(1, "w", {"files": [str(old / "jobs/1/x.wav"), "/elsewhere/y.wav"]})
    assert store.get(1).request["clip"] == str(old / "uploads/a.wav")
    store.close()
    assert str(old).encode() not in b"".join(file.read_bytes() for file in old.iterdir())
    old.rename(new)
    store = Store(new / "jobs.sqlite")
    assert store.get(1).result["files"] == [str(new / "jobs/1/x.wav"), "/elsewhere/y.wav"]
    assert [store.get(job).request["clip"] for job in (1, 2)] == [str(new / "uploads/a.wav"), "/elsewhere/b.wav"]
    store.close()


def test_a_store_of_the_first_version_is_brought_up(tmp_path):
    from importlib.resources import files

    db = sqlite3.connect(tmp_path / "jobs.sqlite")
    db.executescript(files("sds_bridge.daemon").joinpath("schema", "1.sql").read_text())
    row = "INSERT INTO job (client_id, reply, kind, request, status, result, created) VALUES ('7', '[]', 'tune', ?, ?, ?, 1)"
    db.execute(row, ('{"prompt": "a"}', "done", '{"files": ["/old/jobs/1/patch.json"], "summary": {}}'))
    db.execute(row, ('{"prompt": "b"}', "queued", None))
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    store = Store(tmp_path / "jobs.sqlite")
    assert store.get(1).result["files"] == ["/old/jobs/1/patch.json"]
    assert (store.get(1).status, store.ends()) == (Status.DONE, 1)
    assert store.claim("w").request == {"prompt": "b"}
    store.close()


def test_a_backup_is_whole_while_jobs_go_on(store, tmp_path):
    for _ in range(5):
        store.create("tune", REQUEST)
    stop = threading.Event()

    def work():
        mine = Store(store.path)
        mine.claim("w")
        step = 0
        while not stop.is_set():
            mine.progress(1, "w", step := step + 1, 9, 1.0)
        mine.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(5):
            store.backup(tmp_path / f"{number}.sqlite")
    finally:
        stop.set()
        thread.join()
    for number in range(5):
        copy = Store(tmp_path / f"{number}.sqlite")
        assert [job.id for job in copy.newest()] == [5, 4, 3, 2, 1]
        assert copy._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        copy.close()
    with pytest.raises(JobError, match="can't be written"):
        store.backup(tmp_path / "none" / "x.sqlite")


def test_a_lock_names_its_holder(tmp_path):
    path = tmp_path / "x.lock"
    with ProcessLock(path, 1) as lock:
        lock.tell("OSC port 9000")
        with pytest.raises(TimeoutError, match=f"^process {os.getpid()}, OSC port 9000$"):
            ProcessLock(path, 0.05)
