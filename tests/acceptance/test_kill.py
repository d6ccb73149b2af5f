"""``kill -9`` loses nothing: a tune cut off goes on from its checkpoint and ends bit-equal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, no_traceback
from safetensors import safe_open

from sds_bridge.daemon.store import Status, Store
from sds_bridge.daemon.supervisor import Supervisor
from sds_bridge.patch import Patch

pytestmark = pytest.mark.acceptance

SECONDS = 14.0


def checkpoint(folder, job):
    return folder / "jobs" / str(job) / ".checkpoint.safetensors"


def steps_for(daemon, seconds):
    """How many steps take about ``seconds`` here."""
    job = daemon.client.tune("kick", "fm", steps=100_000, batch=1, candidates=0)
    first = daemon.until(job, 2).step
    began = time.monotonic()
    last = daemon.until(job, first + 3).step
    pace = (time.monotonic() - began) / (last - first)
    daemon.client.cancel(job)
    daemon.client.wait(job, timeout=60)
    return max(8, min(1000, int(seconds / pace)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tune_killed_at_half_ends_bit_equal(tmp_path):
    folder = tmp_path / "bridge"
    with DaemonProcess(folder) as daemon:
        options = {"steps": steps_for(daemon, SECONDS), "batch": 1, "seed": 11, "candidates": 8}
        undisturbed = daemon.client.wait(daemon.client.tune("kick drum, bass, reverb", "fm", **options), timeout=240)
        assert undisturbed.status is Status.DONE, undisturbed.message
        job = daemon.client.tune("kick drum, bass, reverb", "fm", **options)
        reached = daemon.until(job, options["steps"] // 2)
        while not checkpoint(folder, job).exists() and reached.step < 0.8 * options["steps"]:
            reached = daemon.until(job, reached.step + 1)
        assert checkpoint(folder, job).exists()
        daemon.kill_all()
        with safe_open(checkpoint(folder, job), "np") as file:
            kept = len(file.get_tensor("losses"))
        killed = Store(folder / "jobs.sqlite").get(job)
        assert (killed.status, killed.attempts) == (Status.RUNNING, 1)
    seen = []
    with DaemonProcess(folder, port=daemon.port) as daemon:
        ended = daemon.client.wait(job, seen.append, timeout=240)
        assert len(daemon.workers()) == 1
        no_traceback(daemon)
    assert ended.status is Status.DONE, ended.message
    assert Store(folder / "jobs.sqlite").get(job).attempts == 2
    assert min(kept, killed.step) >= 2
    again = {state.step for state in seen if 0 < state.step < min(kept, killed.step)}
    assert not again, f"steps {sorted(again)} were done twice"
    patches = [Patch.load(folder / "jobs" / str(number) / "patch.json") for number in (undisturbed.job, job)]
    assert patches[0].parameters == patches[1].parameters
    assert patches[0].parameters != Patch.load(start_of(folder, options)).parameters


def start_of(folder, options):
    with DaemonProcess(folder) as daemon:
        ended = daemon.client.wait(
            daemon.client.tune("kick drum, bass, reverb", "fm", **options | {"steps": 0}), timeout=240
        )
    return ended.folder / "patch.json"


@pytest.mark.parametrize("victim", ["daemon", "worker"])
def test_either_may_be_killed_alone(tmp_path, victim):
    folder = tmp_path / "bridge"
    with DaemonProcess(folder) as daemon:
        job = daemon.client.tune("kick", "fm", steps=100_000, batch=1, candidates=0)
        reached = daemon.until(job, 3)
        (worker,) = daemon.workers()
        if victim == "worker":
            os.kill(worker, signal.SIGKILL)
            end = time.monotonic() + 60
            while daemon.workers() in ([], [worker]) and time.monotonic() < end:
                time.sleep(0.05)
            assert daemon.process.poll() is None
            daemon.until(job, reached.step + 1)
            daemon.client.cancel(job)
            assert daemon.client.wait(job, timeout=60).status is Status.CANCELLED
            ended = Store(folder / "jobs.sqlite").get(job)
            assert (ended.attempts, ended.crashes) == (2, 0)
            return
        daemon.process.kill()
        daemon.process.wait(10)
        end = time.monotonic() + 10
        while daemon.workers() and time.monotonic() < end:
            time.sleep(0.02)
        assert daemon.workers() == []
    assert Store(folder / "jobs.sqlite").get(job).status is Status.RUNNING


CRASHING = """
import os, sys
from sds_bridge.daemon.worker import main
def task(kind):
    def run(request, out, report, should_stop):
        if request.prompt == "crash":
            os.abort()
        raise ValueError("two\\nlines")
    return run
sys.exit(main(task=task))
"""


def test_a_job_that_crashes_its_worker_fails_and_the_next_one_runs(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    crash, plain = (store.create("tune", {"prompt": prompt}).id for prompt in ("crash", "plain"))
    supervisor = Supervisor(store, tmp_path, [sys.executable, "-c", CRASHING])
    supervisor.recover()
    end = time.monotonic() + 60
    while not store.get(plain).status.ended and time.monotonic() < end:
        supervisor.tick()
        time.sleep(0.05)
    supervisor.stop()
    assert (store.get(crash).status, store.get(crash).crashes) == (Status.FAILED, 3)
    assert "the worker died 3 times on it, last by signal 6" in store.get(crash).error
    assert store.get(plain).status is Status.FAILED
    assert "internal error (ValueError: two lines)" in store.get(plain).error


def test_those_who_wait_are_told_when_no_worker_can_start(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor = Supervisor(store, tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    end = time.monotonic() + 60
    while not store.get(job).message and time.monotonic() < end:
        supervisor.tick()
        time.sleep(0.05)
    supervisor.stop()
    assert store.get(job).message == "the worker can't start (exit code 3); the daemon's log says why"
    assert (store.get(job).status, [j.id for j in store.to_announce()]) == (Status.QUEUED, [job])


def test_a_worker_ends_when_its_parent_does(tmp_path):
    script = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-m', 'sds_bridge.daemon.worker', '--store', "
        "sys.argv[1] + '/jobs.sqlite', '--folder', sys.argv[1]], stdin=subprocess.PIPE); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    end = time.monotonic() + 30
    while not (tmp_path / "worker.lock").exists() and time.monotonic() < end:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if "(zombie)" in Path(f"/proc/{worker}/status").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent")
