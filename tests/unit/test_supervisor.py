"""A worker that hangs is ended and its job tried again, so often; one that was killed is not to blame; nor is a clock."""

import os
import signal
import sys
import time

import pytest

from sds_bridge.daemon import room
from sds_bridge.daemon import supervisor as module
from sds_bridge.daemon.job import Pulse
from sds_bridge.daemon.silence import LONGEST_TICK, PACES, SHORTEST_SECONDS, Silence
from sds_bridge.daemon.store import MOST_CRASHES, Status, Store

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    yield store
    store.close()


@pytest.fixture
def supervised(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    made = []

    def make(**more):
        made.append(module.Supervisor(store, tmp_path, SLEEPER, **more))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_worker_that_hangs_is_ended_and_its_job_tried_again_three_times(store, supervised):
    supervisor = supervised(hung=0.05)
    job = store.create("tune", {"prompt": "kick"}).id
    for crash in range(1, MOST_CRASHES + 1):
        supervisor.tick()
        hanging = supervisor._process
        assert hanging is not None and hanging.poll() is None
        assert store.claim("worker").id == job
        supervisor.tick()
        assert supervisor._process is hanging
        time.sleep(0.1)
        supervisor.tick()
        assert hanging.poll() is not None
        assert store.get(job).crashes == crash
        assert store.get(job).status is (Status.QUEUED if crash < MOST_CRASHES else Status.FAILED)
    assert "the worker died 3 times on it, last by a hang of 0 s" in store.get(job).error


def test_beats_keep_a_worker_alive(store, supervised):
    supervisor = supervised(hung=0.15)
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor.tick()
    working = supervisor._process
    store.claim("worker")
    for _ in range(8):
        store.beat(job, "worker")
        time.sleep(0.05)
        supervisor.tick()
    assert supervisor._process is working and working.poll() is None


@pytest.mark.parametrize(
    ("number", "crashes", "kills"), [(signal.SIGKILL, 0, 1), (signal.SIGSEGV, 1, 0), (signal.SIGABRT, 1, 0)]
)
def test_a_kill_from_outside_is_not_the_jobs_fault(store, supervised, number, crashes, kills):
    supervisor = supervised()
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor.tick()
    store.claim("worker")
    os.kill(supervisor._process.pid, number)
    supervisor._process.wait()
    supervisor.tick()
    assert (store.get(job).status, store.get(job).crashes, store.get(job).kills) == (Status.QUEUED, crashes, kills)


def test_memory_that_ran_out_is(store, supervised, monkeypatch):
    monkeypatch.setattr(module, "_memory_kills", iter([4, 5, 5, 5]).__next__)
    supervisor = supervised()
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor.tick()
    store.claim("worker")
    supervisor._process.kill()
    supervisor._process.wait()
    supervisor.tick()
    assert (store.get(job).crashes, store.get(job).kills) == (1, 0)


def test_a_full_disk_is_not(store, supervised, monkeypatch):
    supervisor = supervised()
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor.tick()
    store.claim("worker")
    monkeypatch.setattr(room, "is_short", lambda folder: True)
    os.kill(supervisor._process.pid, signal.SIGBUS)
    supervisor._process.wait()
    supervisor.tick()
    assert (store.get(job).status, store.get(job).crashes, store.get(job).kills) == (Status.QUEUED, 0, 0)


def silent(silence, beats, step, at, attempts=1):
    return silence.seconds(Pulse(1, attempts, beats, step), at)


def test_silence_counts_ticks_that_came(monkeypatch):
    silence = Silence(100.0)
    assert silent(silence, 1, 0, 10.0) == 0.0
    assert silent(silence, 1, 0, 10.5) == 0.5
    # the daemon itself slept for an hour, and so did its worker
    assert silent(silence, 1, 0, 3610.5) == 0.5 + LONGEST_TICK
    assert silent(silence, 2, 0, 3611.0) == 0.0
    assert silent(silence, 2, 0, 3611.5) == 0.5
    assert silent(silence, 2, 0, 3612.0, attempts=2) == 0.0
    assert silence.seconds(None, 3612.5) == 0.0


def test_a_known_pace_shortens_the_wait():
    silence = Silence(900.0)
    at = 0.0
    for step, slow in enumerate((0.5, 0.5, 0.8, 0.8, 0.5)):
        at += slow
        silent(silence, step, step, at)
    assert silence.limit == SHORTEST_SECONDS
    silence = Silence(900.0)
    for step in range(4):
        for _ in range(6):
            at += 1.0
            silent(silence, step, step, at)
    assert silence.limit == PACES * 6.0
    silence.forget()
    assert silence.limit == 900.0
