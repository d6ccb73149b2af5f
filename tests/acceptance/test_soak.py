"""A real daemon under bad input. ``SDS_BRIDGE_SOAK=100`` makes it 200,000 datagrams and five minutes of schemathesis."""

import os
import queue
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, no_traceback

from sds_bridge.benchmarks import osc_load
from sds_bridge.daemon.osc import decode, encode

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from osc_datagrams import FOO, PING, SOAK, bundle, mutated

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300 + 10 * SOAK)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("soak") / "bridge", "--http-port", "0") as running:
        yield running


def memory(daemon):
    return int(re.search(r"VmRSS:\s+(\d+) kB", (Path("/proc") / str(daemon.process.pid) / "status").read_text())[1])


def tree(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_mutated_datagrams_do_no_harm(daemon):
    """Every twentieth is a ping that must be answered, so that nothing is lost unseen in a full buffer."""
    outside = daemon.folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.wav").write_bytes(b"secret words")
    before, draw, at_start = tree(outside), random.Random(2), None
    inside = str(daemon.folder / "jobs")
    seeds = [
        FOO,
        PING,
        bundle(PING, bundle(PING, FOO)),
        encode("/sds/separate", 1, str(outside / "secret.wav"), "sax"),
        encode("/sds/separate", 1, inside + "/../../outside/secret.wav", "sax"),
        encode("/sds/separate", 1, "//server/share/a.wav", "sax"),
        encode("/sds/separate", 1, "/dev/zero", "sax", "mode=latent"),
        encode("/sds/tune", 1, "kick", "fm", "steps=0", "start=/proc/self/environ"),
        encode("/sds/job/status", 1, 1),
        encode("/sds/job/list", 1),
        encode("/sds/hello", 1, "x" * 20),
    ]
    count = int(2000 * SOAK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.settimeout(10)
        mine.connect(("127.0.0.1", daemon.port))
        for number in range(count):
            mine.send(mutated(draw, seeds))
            if number % 20 == 19:
                mine.send(encode("/sds/ping", f"ping-{number}"))
                while decode(answer := mine.recv(65_536))[0].values[:1] != [f"ping-{number}"]:
                    assert b"secret words" not in answer
            if number == min(count // 2, 20_000):
                at_start = memory(daemon)
    assert memory(daemon) < at_start + 5_000
    assert tree(outside) == before
    assert daemon.process.poll() is None
    assert daemon.log.stat().st_size < 200 * 1024 + 20_000 * SOAK
    no_traceback(daemon)


def test_a_thousand_requests_a_second_are_all_answered(daemon):
    """`python -m sds_bridge.benchmarks.osc_load` does it from four clients beside a tune, and times both."""
    job = daemon.client.tune("kick", steps=0)
    daemon.client.cancel(job)
    seen = queue.SimpleQueue()
    osc_load.client_process(daemon.port, job, 1000.0, max(1.0, SOAK / 2), seen)
    sent, latencies = seen.get()
    assert len(latencies) == sent >= 1000
    no_traceback(daemon)


def test_schemathesis_for_long(daemon):
    """The short run is test_http_daemon.py's."""
    if SOAK < 10:
        pytest.skip("SDS_BRIDGE_SOAK=100 for five minutes")
    runner = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert runner, "schemathesis is not installed"
    command = [runner, "run", daemon.http + "/api/openapi.json", "--phases", "coverage,fuzzing", "--max-time", str(int(3 * SOAK)),
               "--seed", "2", "--exclude-path-regex", "events$", "--exclude-checks", "positive_data_acceptance",
               "--continue-on-failure", "--no-color"]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=600 + 10 * SOAK, cwd=daemon.folder.parent)
    (Path(os.environ.get("SDS_BRIDGE_SOAK_LOG", daemon.folder.parent)) / "schemathesis.txt").write_text(found.stdout)
    assert found.returncode == 0, found.stdout[-4000:]
    no_traceback(daemon)
