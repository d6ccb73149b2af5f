"""HTTP of a real daemon: followed by events beside OSC, and nothing outside the folders, asked byte by byte."""

import http.client
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess, no_traceback

from sds_bridge.daemon.store import Status
from sds_bridge.errors import InputError

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("http") / "bridge", "--http-port", "0") as running:
        yield running


@pytest.fixture(scope="module")
def tuned(daemon):
    job = ask(daemon, "POST", "/api/tunes", {"prompt": "kick drum", "steps": 4, "batch": 1, "candidates": 0})["id"]
    daemon.client.wait(job, timeout=240)
    return job


def raw(daemon, method, target, body=None, headers=None):
    """One request with its target as it is: ``http.client`` resolves no '..'."""
    connection = http.client.HTTPConnection("127.0.0.1", int(daemon.http.rsplit(":", 1)[1]), timeout=60)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    read = answer.status, answer.read()
    connection.close()
    return read


def ask(daemon, method, path, body=None, status=None):
    content = None if body is None else json.dumps(body)
    got, text = raw(daemon, method, path, content, {"content-type": "application/json"})
    assert got == (status or (201 if method == "POST" and not path.endswith("cancel") else 200)), text
    return json.loads(text)


def follow(daemon, path):
    """The jobs that an event stream tells of."""
    with urllib.request.urlopen(daemon.http + path, timeout=240) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def test_a_tune_is_followed_to_its_end_and_seen_over_osc(daemon):
    job = ask(daemon, "POST", "/api/tunes", {"prompt": "kick drum", "steps": 6, "batch": 1, "candidates": 0})["id"]
    seen = list(follow(daemon, f"/api/jobs/{job}/events"))
    assert [one["step"] for one in seen] == sorted(one["step"] for one in seen)
    assert (seen[-1]["status"], seen[-1]["step"], seen[-1]["steps"]) == ("done", 6, 6)
    assert seen[-1]["summary"]["alignment_after"] > 0
    assert daemon.client.status(job).status is Status.DONE
    no_traceback(daemon)


def test_osc_answers_while_http_streams_and_serves(daemon, tuned):
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            raw(daemon, "GET", f"/api/jobs/{tuned}/files/preview.wav")
            raw(daemon, "GET", f"/api/jobs/{tuned}/patch?step=2")

    streams = [urllib.request.urlopen(daemon.http + "/api/events", timeout=60) for _ in range(3)]
    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    took = []
    for _ in range(100):
        began = time.perf_counter()
        daemon.client.ping()
        took.append(time.perf_counter() - began)
    stop.set()
    for thread in threads:
        thread.join()
    for stream in streams:
        stream.close()
    assert sorted(took)[49] < 0.1


def test_the_front_loads_no_torch_and_stays_small(daemon):
    proc = Path("/proc") / str(daemon.process.pid)
    if not proc.is_dir():
        pytest.skip("no /proc here")
    assert "libtorch" not in (proc / "maps").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())[1])
    assert resident < 100_000


def test_the_kept_steps_preview_is_the_tunes_own(daemon, tuned):
    kept = ask(daemon, "GET", f"/api/jobs/{tuned}/patch")["kept"]
    assert 1 <= kept <= 4
    own = raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav")[1]
    again = raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav?step={kept}")[1]
    start = raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav?step=0")[1]
    # the tune's own tells how it was made, too
    sounds = [soundfile.read(io.BytesIO(wav))[0] for wav in (own, again, start)]
    assert len({sound.shape for sound in sounds}) == 1
    assert np.abs(sounds[0] - sounds[1]).max() < 1e-3 * np.abs(sounds[0]).max()
    assert np.abs(sounds[0] - sounds[2]).max() > 1e-2 * np.abs(sounds[0]).max()


def test_a_renderer_that_was_killed_is_started_again(daemon, tuned):
    assert raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav?step=1")[0] == 200
    (renderer,) = children(daemon, "sds_bridge.daemon.renderer")
    subprocess.run(["kill", "-9", str(renderer)], check=True)
    status, text = raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav?step=2")
    if status == 409:
        assert "Try it again" in json.loads(text)["error"]
        status = raw(daemon, "GET", f"/api/jobs/{tuned}/preview.wav?step=2")[0]
    assert status == 200
    no_traceback(daemon)


def children(daemon, module):
    found = []
    for file in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = int(re.search(r"PPid:\s+(\d+)", file.read_text())[1])
            if parent == daemon.process.pid and module in (file.parent / "cmdline").read_text().split("\0"):
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def test_no_target_leads_outside(daemon, tuned):
    secret = daemon.folder / "secret.txt"
    secret.write_text("secret words")
    link = daemon.folder / "jobs" / str(tuned) / "link.txt"
    link.symlink_to(secret)
    ups = ["..", "%2e%2e", ".%2e", "%2e.", "..%2f..", "..%5c..", "%252e%252e", "..;", "....//", "%c0%ae%c0%ae"]
    targets = [
        f"/api/jobs/{tuned}/files/link.txt",
        f"/api/jobs/{tuned}/files//{secret}",
        f"/static/{secret}",
        f"//{secret}",
    ]
    for up in ups:
        for base in (f"/api/jobs/{tuned}/files", "/static", "/static/js", ""):
            targets += [
                f"{base}/{'/'.join([up] * depth)}/{name}"
                for depth in (1, 2, 3, 8)
                for name in ("secret.txt", "jobs.sqlite", "etc/passwd", "app.py")
            ]
    for target in targets:
        status, text = raw(daemon, "GET", target)
        assert status in (400, 403, 404, 405), target
        assert b"secret words" not in text and b"SQLite" not in text and b"root:" not in text
    no_traceback(daemon)


def test_a_header_that_lies_ends_in_bounded_memory(daemon, tmp_path):
    before = memory(daemon)
    for name, body in lies(tmp_path).items():
        status, text = raw(daemon, "POST", f"/api/clips?name={name}", body)
        assert status in (201, 422), text
        if status == 201:  # libsndfile believed the file's size, so there is next to nothing in it
            taken = json.loads(text)
            assert taken["seconds"] < 601
            job = ask(daemon, "POST", "/api/separations", {"clip": taken["clip"], "stems": ["sax"], "steps": 1})["id"]
            assert daemon.client.wait(job, timeout=240).status.ended
    assert memory(daemon) < before + 60_000
    assert daemon.client.ping()


def lies(folder):
    wav = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\2\0\x44\xac\0\0\x10\xb1\2\0\4\0\x10\0data\xdb\xff\xff\x7f"
    soundfile.write(folder / "true.flac", np.zeros(1000, np.int16), 8000)
    flac = bytearray((folder / "true.flac").read_bytes())
    flac[21:26] = b"\x0f\xff\xff\xff\xff"  # STREAMINFO: 2^36 samples
    soundfile.write(folder / "wide.flac", np.zeros((20_000_000, 8), np.int16), 48_000)
    aiff = b"FORM\x7f\xff\xff\xffAIFFCOMM\0\0\0\x12\0\2\x7f\xff\xff\xff\0\x10\x40\x0e\xac\x44\0\0\0\0\0\0SSND\x7f\xff\xff\xff"
    return {"2gb.wav": wav.ljust(100, b"\0"), "long.flac": bytes(flac), "wide.flac": (folder / "wide.flac").read_bytes(), "2gb.aiff": aiff.ljust(100, b"\0")}  # fmt: skip


def memory(daemon):
    return int(re.search(r"VmHWM:\s+(\d+) kB", (Path("/proc") / str(daemon.process.pid) / "status").read_text())[1])


def test_a_taken_port_is_said(daemon, tmp_path):
    from sds_bridge.daemon.app import serve

    with pytest.raises(InputError, match=r"Address already in use \(held by python.*another --http-port"):
        serve(tmp_path / "other", 0, http_port=int(daemon.http.rsplit(":", 1)[1]))


def test_a_signal_ends_what_is_followed(tmp_path):
    with DaemonProcess(tmp_path / "bridge", "--http-port", "0") as running:
        stream = urllib.request.urlopen(running.http + "/api/events", timeout=30)
        running.process.terminate()
        assert running.process.wait(20) == 0
        assert stream.read() == b""
        no_traceback(running)


def test_schemathesis_finds_no_crash_and_no_answer_that_is_not_described(daemon, tuned):
    runner = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if runner is None:
        pytest.skip("schemathesis is not installed")
    command = [runner, "run", daemon.http + "/api/openapi.json", "--phases", "coverage,fuzzing", "--max-examples", "4", "--seed", "1",
               "--exclude-path-regex", "events$|tunes$|separations$", "--exclude-checks", "positive_data_acceptance", "--no-color"]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=daemon.folder.parent)
    assert found.returncode == 0, found.stdout[-4000:]
    no_traceback(daemon)
