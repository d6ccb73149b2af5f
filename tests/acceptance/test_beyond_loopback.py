"""A daemon that listens on every address: nothing without its token, over OSC or HTTP; and what a monitor shows."""

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from daemon_process import DaemonProcess, no_traceback

from sds_bridge.daemon.client import Client
from sds_bridge.errors import InputError

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beyond") / "bridge"
    with DaemonProcess(folder, "--host", "0.0.0.0", "--http-port", "0") as running:
        yield running


@pytest.fixture
def token(daemon):
    return (daemon.folder / "token").read_text().strip()


def get(daemon, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(daemon.http.rsplit(":", 1)[1]), timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    read = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return read


def test_nothing_is_answered_without_the_token(daemon, token):
    assert stat.S_IMODE((daemon.folder / "token").stat().st_mode) == 0o600
    with pytest.raises(InputError, match="needs its token first: send /sds/hello TOKEN"):
        Client(port=daemon.port).ping()
    for path in ("/", "/api", "/api/jobs", "/sds", "/?HOST_INFO", "/static/js/main.js", "/?token=wrong"):
        assert get(daemon, path)[0] == 401, path
    assert token not in daemon.log.read_text()


def test_http_takes_the_token(daemon, token):
    assert get(daemon, "/api/jobs", Authorization=f"Bearer {token}")[0] == 200
    status, page, headers = get(daemon, f"/?token={token}", Accept="text/html")
    assert status == 200 and "<html" in page
    cookie = headers["set-cookie"].split(";")[0]
    assert get(daemon, "/api/jobs", Cookie=cookie)[0] == 200
    assert get(daemon, "/api/jobs", Cookie=cookie, Host="evil.example")[0] == 403
    assert json.loads(get(daemon, "/?HOST_INFO", Cookie=cookie)[1])["OSC_PORT"] == daemon.port


def test_the_token_file_is_no_clip_and_no_patch(daemon, token):
    with Client(port=daemon.port, token=token) as client:
        for ask in (lambda f: client.separate(f, ["sax"]), lambda f: client.tune("kick", start=str(f))):
            with pytest.raises(InputError, match="is outside the folders"):
                ask(daemon.folder / "token")


def test_the_client_says_the_token_and_is_heard(daemon, token):
    with Client(port=daemon.port, token=token) as client:
        assert client.ping()
    with pytest.raises(InputError, match="not this daemon's"):
        wrong_hello(daemon.port)
    no_traceback(daemon)


def wrong_hello(port):
    with Client(port=port, token="x" * 20) as client:
        client.ask("/sds/hello", "x" * 20)


def test_a_daws_script_reads_the_token_from_its_file(daemon, token, tmp_path):
    for named, heard in ((daemon.folder / "token", "is outside the folders"), (tmp_path / "none", "can't be read")):
        clip, answer = daemon.folder / "token", tmp_path / "answer.json"
        command = [sys.executable, "-m", "sds_bridge.cli", "daw", "ask", "separate", str(clip), "--stem", "sax"]
        command += ["--answer", str(answer), "--port", str(daemon.port), "--token-file", str(named)]
        assert subprocess.run(command, timeout=60).returncode == 1
        assert heard in json.loads(answer.read_text())["message"]


def test_osc_monitor_prints_what_goes_by(daemon, token):
    command = [sys.executable, "-m", "sds_bridge.cli", "osc", "monitor", "/sds/job/*", "--port", str(daemon.port)]
    hidden = {**os.environ, "SDS_BRIDGE_TOKEN": token}
    # what a shell starts in the background ignores SIGINT, and so does what that starts
    watching = subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=hidden,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    plain = subprocess.Popen([*command, "--count", "2"], stdout=subprocess.PIPE, text=True, env=hidden)
    with Client(port=daemon.port, token=token) as client:
        end = time.monotonic() + 30
        while time.monotonic() < end and plain.poll() is None:
            client.ask("/sds/job/list")
            time.sleep(0.2)
    lines = plain.stdout.read().splitlines()
    assert len(lines) == 2 and "/sds/job/list" in lines[0] and "127.0.0.1:" in lines[0]
    watching.send_signal(signal.SIGINT)
    out, errors = watching.communicate(timeout=20)
    assert watching.returncode == 0, errors
    seen = [json.loads(line) for line in out.splitlines()]
    assert {"in", "out"} <= {one["direction"] for one in seen} and token not in out
    assert "Traceback" not in errors
    no_traceback(daemon)
