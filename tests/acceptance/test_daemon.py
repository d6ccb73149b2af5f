"""The daemon as a process: jobs end, cancels stop, bad input is one line, a signal is graceful."""

import json
import random
import signal
import socket
import time

import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess, no_traceback

from sds_bridge.daemon.client import Client
from sds_bridge.daemon.osc import decode, encode
from sds_bridge.daemon.store import Status, Store
from sds_bridge.errors import InputError, JobError
from sds_bridge.patch import Patch

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("daemon") / "bridge"
    (folder.parent / "allowed").mkdir()
    with DaemonProcess(folder, "--allow", str(folder.parent / "allowed")) as running:
        yield running


@pytest.fixture
def allowed(daemon):
    return daemon.folder.parent / "allowed"


@pytest.mark.parametrize("synth", ["fm", "modal"])
def test_a_tune_ends_with_its_files(daemon, synth):
    seen = []
    job = daemon.client.tune("kick drum, bass, reverb", synth, steps=6, batch=1, candidates=0)
    ended = daemon.client.wait(job, seen.append, timeout=240)
    assert ended.status is Status.DONE, ended.message
    assert (ended.step, ended.steps, ended.folder) == (6, 6, daemon.folder / "jobs" / str(job))
    assert Patch.load(ended.folder / "patch.json").synth == synth
    assert [s.step for s in seen] == sorted({s.step for s in seen})
    no_traceback(daemon)


def test_a_request_sent_twice_makes_one_job(daemon):
    twice = encode("/sds/tune", "again", "kick", "fm", "steps=0", "token=once")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.settimeout(5)
        jobs = set()
        for _ in range(2):
            mine.sendto(twice, ("127.0.0.1", daemon.port))
            while (message := decode(mine.recv(65536))[0]).address != "/sds/tune":
                pass
            jobs.add(message.values[1])
    assert len(jobs) == 1
    daemon.client.wait(jobs.pop(), timeout=240)


def test_a_cancel_stops_at_the_next_step_and_the_next_job_runs(daemon):
    job = daemon.client.tune("kick", "fm", steps=100_000, batch=1, candidates=0)
    waiting = daemon.client.tune("kick", "fm", steps=100_000, batch=1, candidates=0)
    daemon.until(job, 2)
    before = time.monotonic()
    daemon.until(job, 5)
    a_step = max(0.05, (time.monotonic() - before) / 3)
    assert daemon.client.cancel(waiting) == "cancelled"
    asked = daemon.client.status(job).step
    before = time.monotonic()
    assert daemon.client.cancel(job) == "cancelling"
    ended = daemon.client.wait(job, timeout=60)
    took = time.monotonic() - before
    assert ended.status is Status.CANCELLED
    assert took < 4 * a_step + 1.0
    done = Store(daemon.folder / "jobs.sqlite").get(job).result["summary"]["steps"]
    assert done - asked <= 1 + 0.15 / a_step
    assert (
        daemon.client.wait(daemon.client.tune("kick", "fm", steps=1, batch=1, candidates=0), timeout=240).status
        is Status.DONE
    )


BAD_TUNES = {
    "empty prompt": (("", "fm"), {}, "prompt: is empty"),
    "blank prompt": (("  ", "fm"), {}, "prompt: is empty"),
    "unknown synth": (("kick", "zither"), {}, "'zither'"),
    "unknown option": (("kick", "fm"), {"speed": 3}, "'speed': unknown option"),
    "steps no number": (("kick", "fm"), {"steps": "many"}, "steps: "),
    "guidance not finite": (("kick", "fm"), {"guidance": "nan"}, "guidance: "),
    "note out of range": (("kick", "fm"), {"note": 200}, "note '200'"),
    "start outside": (("kick", "fm"), {"start": "/etc/passwd"}, "start: /etc/passwd is outside"),
    "prior outside": (("kick", "fm"), {"prior": "/etc"}, "prior: /etc is outside"),
}


@pytest.mark.parametrize("name", BAD_TUNES)
def test_bad_tunes_are_refused_in_one_line(daemon, name):
    arguments, options, why = BAD_TUNES[name]
    with pytest.raises(InputError) as caught:
        daemon.client.tune(*arguments, **options)
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert daemon.client.ping()
    no_traceback(daemon)


def test_clips_that_may_not_be_read_are_refused(daemon, allowed):
    (allowed / "link.wav").symlink_to("/etc/passwd")
    rows = {
        "/etc/passwd": "outside",
        str(allowed / "link.wav"): "outside",
        str(allowed / "missing.wav"): "no such file",
        str(allowed): "is a folder",
        str(allowed / ".." / "bridge.log"): "'..' in it",
    }
    for clip, why in rows.items():
        with pytest.raises(InputError, match=why):
            daemon.client.separate(clip, ["saxophone", "traffic"])
    no_traceback(daemon)


def bad_clips(folder):
    (folder / "text.wav").write_text("this is no sound\n")
    soundfile.write(folder / "nan.wav", np.full(48_000, np.nan, np.float32), 48_000, subtype="FLOAT")
    soundfile.write(folder / "empty.wav", np.zeros(0, np.float32), 48_000)
    soundfile.write(folder / "long.wav", np.zeros(8_000 * 660, np.int16), 8_000)
    return {"text": "not a readable audio file", "nan": "NaN or infinite", "empty": "0 samples", "long": "660 s long"}


def test_clips_that_are_no_use_are_refused_in_one_line(daemon, allowed):
    """By their header at once; what only the samples tell, by the job."""
    for name, why in bad_clips(allowed).items():
        clip = allowed / f"{name}.wav"
        before = clip.read_bytes()
        if name == "nan":
            ended = daemon.client.wait(daemon.client.separate(clip, ["saxophone", "traffic"]), timeout=240)
            assert ended.status is Status.FAILED
            said = ended.message
        else:
            with pytest.raises(InputError) as error:
                daemon.client.separate(clip, ["saxophone", "traffic"])
            said = str(error.value)
        assert why in said and "\n" not in said
        assert clip.read_bytes() == before
    no_traceback(daemon)


def test_a_failed_job_is_pushed_as_an_error_with_the_requests_id(daemon, allowed):
    bad_clips(allowed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.settimeout(60)
        mine.sendto(encode("/sds/separate", 77, str(allowed / "nan.wav"), "sax"), ("127.0.0.1", daemon.port))
        heard = []
        while not heard or heard[-1].address != "/sds/job/done":
            heard.append(decode(mine.recv(65536))[0])
    error = next(m for m in heard if m.address == "/sds/error")
    assert error.values[0] == 77 and "NaN or infinite" in error.values[1]
    assert heard[-1].values[1] == "failed"


def test_random_datagrams_do_no_harm(daemon):
    draw = random.Random(1)
    jobs = len(daemon.client.ask("/sds/job/list"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        for _ in range(1000):
            head = draw.choice([b"", b"/", b"#bundle\0", b"/sds/tune\0\0\0", b"/sds/job/cancel\0,ii\0"])
            mine.sendto(head + draw.randbytes(draw.randrange(0, 300)), ("127.0.0.1", daemon.port))
    assert daemon.client.ping()
    assert len(daemon.client.ask("/sds/job/list")) == jobs
    assert daemon.process.poll() is None
    no_traceback(daemon)


def test_a_malformed_datagram_is_answered(daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.settimeout(5)
        mine.sendto(b"hello", ("127.0.0.1", daemon.port))
        answer = decode(mine.recv(65536))[0]
    assert answer.address == "/sds/error" and "not OSC" in answer.values[1]


def test_nothing_at_the_port_is_an_error_that_says_what_to_do():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(JobError, match=r"no answer\. Start the daemon"):
        Client(port=port).ping()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--host", "no.such.invalid", "--dir", "{tmp}/x"], "--host 'no.such.invalid': is no IPv4 address"),
        (["--host", "192.0.2.1", "--dir", "{tmp}/x"], "at 192.0.2.1 can't be had: Cannot assign requested address"),
        (["--token", "short", "--dir", "{tmp}/x"], "--token: a token has 16 to 200 plain characters"),
        (["--dir", "{tmp}/x", "--port", "70000"], "--port 70000"),
        (["--dir", "{tmp}/x", "--port", "{port}"], "can't be had: Address already in use (held by python"),
        (["--dir", "{tmp}/x", "--allow", "{tmp}/none"], "--allow {tmp}/none: no such folder"),
        (["--dir", "{folder}", "--port", "0"], "another daemon works in it"),
    ],
)
def test_a_daemon_that_can_not_start_says_why(daemon, tmp_path, capsys, arguments, why):
    from sds_bridge.daemon.app import main

    names = {"tmp": tmp_path, "port": daemon.port, "folder": daemon.folder}
    assert main([a.format(**names) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert why.format(**names) in error and error.count("error: ") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_puts_the_job_back_and_the_next_start_goes_on(tmp_path, number):
    with DaemonProcess(tmp_path / "bridge") as first:
        job = first.client.tune("kick", "fm", steps=100_000, batch=1, candidates=0)
        first.until(job, 3)
        first.process.send_signal(number)
        assert first.process.wait(60) == 0
        assert first.workers() == []
        no_traceback(first)
    kept = Store(tmp_path / "bridge" / "jobs.sqlite").get(job)
    assert (kept.status, kept.crashes) == (Status.QUEUED, 0)
    assert (kept_checkpoint := tmp_path / "bridge/jobs" / str(job) / ".checkpoint.safetensors").exists(), (
        kept_checkpoint
    )
    with DaemonProcess(tmp_path / "bridge") as second:
        second.until(job, kept.step + 1)
        second.client.cancel(job)
        assert second.client.wait(job, timeout=60).status is Status.CANCELLED


def test_results_are_json_and_never_in_a_folder_that_was_there(tmp_path):
    old = tmp_path / "bridge" / "jobs" / "5"
    old.mkdir(parents=True)
    (old / "patch.json").write_text("mine")
    with DaemonProcess(tmp_path / "bridge") as running:
        job = running.client.tune("kick", "fm", steps=0)
        assert job == 6
        running.client.wait(job, timeout=240)
    result = Store(tmp_path / "bridge" / "jobs.sqlite").get(job).result
    assert json.dumps(result) and all(name.startswith(str(tmp_path / "bridge/jobs/6")) for name in result["files"])
    assert (old / "patch.json").read_text() == "mine"
