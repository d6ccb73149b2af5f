"""A full disk, a clock that is set, a folder or port that is taken: a message that says what to do, and nothing lost."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, no_traceback
from small_disk import fill, mounted

from sds_bridge.benchmarks.kill_soak import soak, written
from sds_bridge.daemon.ports import holder
from sds_bridge.daemon.store import Status, Store
from sds_bridge.daemon.supervisor import Supervisor
from sds_bridge.errors import InputError

pytestmark = pytest.mark.acceptance

TUNE = {"steps": 40, "batch": 1, "seed": 3, "candidates": 0}


@pytest.fixture
def disk(tmp_path):
    yield from mounted(tmp_path / "disk", 12)


def until(daemon, job, holds, timeout=60.0):
    end = time.monotonic() + timeout
    while not holds(state := daemon.client.status(job)):
        assert time.monotonic() < end, f"{state}\n{daemon.log.read_text()}"
        time.sleep(0.05)
    return state


@pytest.mark.slow
def test_a_disk_that_fills_up_at_nine_tenths_pauses_the_job_until_there_is_room(disk):
    with DaemonProcess(disk / "bridge") as daemon:
        undisturbed = daemon.client.wait(daemon.client.tune("kick drum", "fm", **TUNE), timeout=240)
        assert undisturbed.status is Status.DONE, undisturbed.message
        job = daemon.client.tune("kick drum", "fm", **TUNE)
        waiting = daemon.client.tune("kick drum", "fm", **TUNE | {"steps": 1})
        daemon.until(job, 36)
        fill(disk)
        paused = until(daemon, job, lambda state: state.status is Status.QUEUED)
        assert paused.message.startswith("paused") and f"disk of {disk / 'bridge'}" in paused.message
        assert "Make room; it goes on by itself" in paused.message
        with pytest.raises(InputError, match=r"needs .* MB on the disk of .*, 0\.\d MB are free\. Make room"):
            daemon.client.tune("kick drum", "fm")
        time.sleep(2.0)
        state = daemon.client.status(job)
        assert state.status is Status.QUEUED
        assert re.fullmatch(
            r"paused at step 3\d of 40: it needs 2\.\d MB on the disk of .*, 0\.\d MB are free\. Make room; it .*",
            state.message,
        )
        assert daemon.process.poll() is None
        (disk / "filler").unlink()
        ended = daemon.client.wait(job, timeout=120)
        assert ended.status is Status.DONE, ended.message
        assert daemon.client.wait(waiting, timeout=120).status is Status.DONE
        no_traceback(daemon)
    assert written(undisturbed.folder) == written(ended.folder)
    store = Store(disk / "bridge" / "jobs.sqlite")
    assert (store.get(job).crashes, store.get(job).kills, store.ends()) == (0, 0, 3)
    store.close()


def test_a_daemon_on_a_full_disk_says_so_and_loses_nothing(disk):
    with DaemonProcess(disk / "bridge") as daemon:
        job = daemon.client.tune("kick drum", "fm", steps=2000, batch=1, candidates=0)
        daemon.kill_all()
    fill(disk)
    with DaemonProcess(disk / "bridge") as daemon:  # by the reserve
        state = until(daemon, job, lambda state: "Make room" in state.message)
        assert state.status is Status.QUEUED
    fill(disk)
    command = [sys.executable, "-m", "sds_bridge.daemon.app", "--dir", str(disk / "bridge"), "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert "the disk is full" in refused.stderr and "Make room and start again; every job is kept" in refused.stderr
    assert "Traceback" not in refused.stderr
    (disk / "filler").unlink()
    with DaemonProcess(disk / "bridge") as daemon:
        assert daemon.client.status(job).status in (Status.QUEUED, Status.RUNNING)
        daemon.client.cancel(job)


FAKETIME = next(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_setting_the_clock_back_and_forth_disturbs_no_job(tmp_path, monkeypatch):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    for name, value in {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "bridge"
    with DaemonProcess(folder, "--keep-days", "30") as daemon:
        monkeypatch.undo()
        first = daemon.client.tune("kick drum", "fm", **TUNE | {"steps": 12})
        begun = Store(folder / "jobs.sqlite").get(first).created
        daemon.until(first, 3)
        clock.write_text("-400d")
        second = daemon.client.tune("kick drum", "fm", **TUNE | {"steps": 1})
        assert begun - Store(folder / "jobs.sqlite").get(second).created > 399 * 86_400
        daemon.until(first, 8)
        clock.write_text("+400d")
        states = [daemon.client.wait(job, timeout=120) for job in (first, second)]
        assert [state.status for state in states] == [Status.DONE] * 2
        no_traceback(daemon)
    store = Store(folder / "jobs.sqlite")
    jobs = [store.get(job) for job in (first, second)]
    assert [(job.attempts, job.crashes, job.kills) for job in jobs] == [(1, 0, 0)] * 2
    assert [job.id for job in store.removable()] == [first, second]
    store.close()


def test_a_second_daemon_names_the_first(tmp_path):
    with DaemonProcess(tmp_path / "bridge", "--http-port", "0") as first:
        command = [sys.executable, "-m", "sds_bridge.daemon.app", "--dir", str(tmp_path / "bridge"), "--port", "0"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        told = f"(process {first.process.pid}, OSC port {first.port}, page at {first.http})"
        assert second.returncode == 2 and second.stdout == ""
        assert told in second.stderr and "stop it, or give another --dir" in second.stderr
        assert second.stderr.count("error: ") == 1 and "Traceback" not in second.stderr
        assert first.client.ping()


def test_who_holds_a_port_is_named_while_it_opens_and_closes_files():
    ended = threading.Event()

    def churn():
        while not ended.is_set():
            os.close(os.open(os.devnull, os.O_RDONLY))

    threads = [threading.Thread(target=churn) for _ in range(3)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for thread in threads:
            thread.start()
        try:
            named = [holder(taken.getsockname()[1], protocol="tcp") for _ in range(30)]
        finally:
            ended.set()
    assert all(f", process {os.getpid()})" in text for text in named)


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_who_holds_a_port_is_named(kind, protocol, family):
    try:
        taken = socket.socket(family, kind)
        taken.bind(("", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with taken:
        if kind == socket.SOCK_STREAM:
            taken.listen()
        assert f", process {os.getpid()})" in holder(taken.getsockname()[1], protocol=protocol)
    assert holder(1, protocol=protocol) == ""


def test_of_another_users_process_the_user_is_named(tmp_path):
    (tmp_path / "net").mkdir()
    row = "  1: 0100007F:2328 00000000:0000 07 00000000:00000000 00:00000000 00000000  65534        0 99 2 0 0"
    (tmp_path / "net" / "udp").write_text(f"head\n{row}\n")
    assert holder(9000, tmp_path) == " (held by a process of user nobody)"


STEPPING = """
import sys, time
from pathlib import Path
from sds_bridge.daemon.worker import main
from sds_bridge.tasks.requests import Progress, Result
def task(kind):
    def run(request, out, report, should_stop):
        for step in range(1, 31):
            if should_stop():
                return Result(out, [], {}, stopped=True)
            time.sleep(0.05)
            report(Progress(step, 30, 0.0, 1.0))
        return Result(out, [], {})
    return run
sys.exit(main(task=task))
"""


def test_a_worker_that_stands_still_is_ended_and_its_job_tried_again(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    job = store.create("tune", {"prompt": "kick"}).id
    supervisor = Supervisor(store, tmp_path, [sys.executable, "-c", STEPPING], hung=1.5)
    end, stopped = time.monotonic() + 60, False
    while not store.get(job).status.ended and time.monotonic() < end:
        supervisor.tick()
        time.sleep(0.05)
        if store.get(job).step >= 5 and not stopped:
            os.kill(supervisor._process.pid, signal.SIGSTOP)
            stopped = True
    supervisor.stop()
    ended = store.get(job)
    assert (ended.status, ended.attempts, ended.step) == (Status.DONE, 2, 30)
    store.close()


KILLS = int(os.environ.get("SDS_KILLS", "4"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path):
    """SDS_KILLS=20 is the whole of it, over 10 jobs."""
    found, done = soak(tmp_path, max(2, KILLS // 2), KILLS, 16.0 if KILLS > 4 else 8.0, seed=1)
    assert not found, (done, found)
