"""Programs that are not ours drive the daemon: liblo's oscsend and oscdump, and Pure Data's netsend."""

import re
import shutil
import socket
import subprocess
import time

import pytest
from daemon_process import DaemonProcess, no_traceback

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(400),
]
needs_liblo = pytest.mark.skipif(
    shutil.which("oscsend") is None, reason="liblo-tools (oscsend, oscdump) is not installed"
)
needs_pd = pytest.mark.skipif(shutil.which("pd") is None, reason="puredata-core (pd) is not installed")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("clients") / "bridge") as running:
        yield running


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class OscDump:
    """What ``oscdump`` prints, line by line, as ``/address types values``."""

    def __init__(self, folder):
        self.port = free_port()
        self.file = folder / "oscdump.txt"
        self._out = self.file.open("wb")
        self._process = subprocess.Popen(["oscdump", "-L", str(self.port)], stdout=self._out, stderr=subprocess.STDOUT)
        time.sleep(0.3)

    def close(self):
        self._process.terminate()
        self._process.wait(10)
        self._out.close()

    def line(self, pattern, timeout=240.0):
        """The first line that has ``pattern``."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for line in self.file.read_text().splitlines():
                if found := re.search(pattern, line):
                    return found
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} in:\n{self.file.read_text()}")


@pytest.fixture
def oscdump(tmp_path):
    dump = OscDump(tmp_path)
    yield dump
    dump.close()


def oscsend(daemon, *words):
    subprocess.run(["oscsend", "localhost", str(daemon.port), *map(str, words)], check=True, timeout=10)


@needs_liblo
def test_oscsend_tunes(daemon, oscdump):
    oscsend(daemon, "/sds/client/reply_port", "si", "port", oscdump.port)
    oscdump.line(rf'/sds/client/reply_port si "port" {oscdump.port}', 10)
    oscsend(daemon, "/sds/tune", "issss", 5, "kick drum, bass, reverb", "fm", "steps=6", "batch=1", "candidates=0")
    job, folder = oscdump.line(r'/sds/tune iis 5 (\d+) "(.*)"', 10).groups()
    oscdump.line(rf"/sds/job/progress iiif {job} 6 6 0\.0")
    assert oscdump.line(rf'/sds/job/done iss {job} "(\w+)" "(.*)"').groups() == ("done", folder)
    oscsend(daemon, "/sds/job/status", "sf", "how", float(job))
    oscdump.line(rf'/sds/job/status siiisiifss|/sds/job/status sisiifss "how" {job} "done" 6 6', 10)
    no_traceback(daemon)


@needs_liblo
def test_oscsend_cancels_within_a_step(daemon, oscdump):
    oscsend(daemon, "/sds/client/reply_port", "si", "port", oscdump.port)
    oscsend(daemon, "/sds/tune", "ssss", "mine", "snare", "fm", "steps=100000")
    job = oscdump.line(r'/sds/tune sis "mine" (\d+) ', 10).group(1)
    oscdump.line(rf"/sds/job/progress iiif {job} [2-9] 100000")
    oscsend(daemon, "/sds/job/cancel", "si", "stop", job)
    oscdump.line(rf'/sds/job/cancel sis "stop" {job} "cancelling"', 10)
    oscdump.line(rf'/sds/job/done iss {job} "cancelled"', 60)
    lines = oscdump.file.read_text().splitlines()
    cancelled = next(i for i, line in enumerate(lines) if "/sds/job/cancel " in line)
    after = [line for line in lines[cancelled:] if "/sds/job/progress" in line]
    assert len(after) <= 2, after
    no_traceback(daemon)


@needs_liblo
def test_oscsend_is_told_what_is_wrong(daemon, oscdump):
    oscsend(daemon, "/sds/client/reply_port", "si", "port", oscdump.port)
    oscsend(daemon, "/sds/tune", "iss", 1, "", "fm")
    oscdump.line(r'/sds/error is 1 "prompt: is empty', 10)
    oscsend(daemon, "/sds/tune", "iTs", 2, "fm")
    oscdump.line(r"/sds/error is 2 \"prompt: 'True'", 10)
    oscsend(daemon, "/sds/nothing", "s", "x")
    oscdump.line(r"/sds/error ss \"x\" \"'/sds/nothing': unknown address", 10)


PATCH = r"""#N canvas 0 0 600 500 10;
#X obj 10 10 loadbang;
#X obj 10 40 t b b;
#X msg 200 70 connect 127.0.0.1 {port};
#X msg 10 70 7 kick\ drum\,\ bass fm {options};
#X obj 10 100 oscformat sds tune;
#X obj 10 130 list prepend send;
#X obj 10 160 list trim;
#X obj 10 200 netsend -u -b;
#X obj 10 230 oscparse;
#X obj 10 260 list trim;
#X obj 200 260 print heard;
#X obj 10 290 route sds;
#X obj 10 320 route job error;
#X obj 10 350 route progress done;
#X obj 10 380 unpack f f;
#X obj 10 410 >= 2;
#X obj 200 440 f;
#X msg 200 470 8 \$1;
#X obj 200 500 oscformat sds job cancel;
#X obj 300 380 t b;
#X obj 300 410 delay 200;
#X msg 300 440 \; pd quit;
#X obj 10 430 change;
#X obj 10 450 sel 1;
#X obj 10 470 delay 1;
#X connect 0 0 1 0;
#X connect 1 0 3 0;
#X connect 1 1 2 0;
#X connect 2 0 7 0;
#X connect 3 0 4 0;
#X connect 4 0 5 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
#X connect 7 1 8 0;
#X connect 8 0 9 0;
#X connect 9 0 10 0;
#X connect 9 0 11 0;
#X connect 11 0 12 0;
#X connect 12 0 13 0;
#X connect 12 1 19 0;
#X connect 13 0 14 0;
#X connect 13 1 19 0;
#X connect 14 0 16 1;
#X connect 14 1 15 0;
#X connect 15 0 22 0;
#X connect 22 0 23 0;
#X connect 23 0 24 0;
#X connect 24 0 16 0;
#X connect 16 0 17 0;
#X connect 17 0 18 0;
#X connect 18 0 5 0;
#X connect 19 0 20 0;
#X connect 20 0 21 0;
"""
"""Tunes when loaded; from step 2 on sends a cancel, if wired so; quits when the job is done, or at an error."""


def pure_data(daemon, folder, options, cancel):
    """Run the patch and return what its ``print`` said, a message a line."""
    text = PATCH.format(port=daemon.port, options=options)
    if not cancel:
        text = text.replace("#X connect 15 0 22 0;\n", "")
    (folder / "drive.pd").write_text(text)
    command = ["pd", "-nogui", "-noaudio", "-nomidi", "-nrt", "-noprefs", "-stderr", "-open", str(folder / "drive.pd")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return [line.removeprefix("heard: ").rstrip() for line in ended.stderr.splitlines() if line.startswith("heard: ")]


@needs_pd
def test_pure_data_tunes(daemon, tmp_path):
    heard = pure_data(daemon, tmp_path, "steps=6 batch=1 candidates=0", cancel=False)
    job, folder = re.fullmatch(r"sds tune 7 (\d+) (\S+)", heard[0]).groups()
    assert any(line.startswith(f"sds job progress {job} 6 6 0") for line in heard)
    assert heard[-1] == f"sds job done {job} done {folder}"
    assert daemon.client.ask("/sds/job/list")[0] == f"{job} done tune kick drum, bass"
    no_traceback(daemon)


@needs_pd
def test_pure_data_cancels_within_a_step(daemon, tmp_path):
    heard = pure_data(daemon, tmp_path, "steps=100000 batch=1 candidates=0", cancel=True)
    job = re.fullmatch(r"sds tune 7 (\d+) \S+", heard[0]).group(1)
    assert f"sds job cancel 8 {job} cancelling" in heard, heard[:3] + heard[-5:]
    answered = heard.index(f"sds job cancel 8 {job} cancelling")
    assert heard[-1].startswith(f"sds job done {job} cancelled ")
    steps = [int(line.split()[4]) if line.startswith("sds job progress") else None for line in heard]
    before = [step for step in steps[:answered] if step is not None]
    after = [step for step in steps[answered:] if step is not None]
    assert len(after) <= 2 and all(step <= before[-1] + 2 for step in after)
    no_traceback(daemon)
