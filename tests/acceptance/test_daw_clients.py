"""A tune and a separation from each program that can ask the daemon: HARP, REAPER's Lua, Pure Data, oscsend."""

import io
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess, no_traceback
from harp_client import Harp, HarpError

from sds_bridge.daw import install
from sds_bridge.daw.catalog import DAWS
from sds_bridge.patch import Patch

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]
RATE = 32_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    home = tmp_path_factory.mktemp("daws")
    with DaemonProcess(home / "bridge", "--allow", str(home), "--http-port", "0") as running:
        running.home = home
        yield running
        no_traceback(running)


@pytest.fixture(scope="module")
def clip(daemon):
    t = np.arange(RATE) / RATE
    samples = 0.4 * np.exp(-9 * t) * np.sin(2 * np.pi * 70 * t) + 0.2 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(daemon.home / "clip.wav", samples, RATE, subtype="PCM_24")
    return daemon.home / "clip.wav"


def check_stems(files, clip, step=2**-22):
    """Stems have the clip's form and sum to it. ``files`` may be paths or contents."""
    wanted, rate = soundfile.read(clip)
    stems = [soundfile.read(io.BytesIO(f) if isinstance(f, bytes) else f) for f in files]
    assert all(r == rate and s.shape == wanted.shape for s, r in stems)
    assert np.abs(sum(s for s, _ in stems) - wanted).max() <= step
    assert np.abs(stems[0][0]).max() > 0


def check_tune(folder):
    assert Patch.load(Path(folder) / "patch.json").synth == "fm"
    assert np.abs(soundfile.read(Path(folder) / "preview.wav")[0]).max() > 0.01


def newest(daemon):
    return daemon.folder / "jobs" / daemon.client.ask("/sds/job/list")[0].split()[0]


class TestHarp:
    def model(self, daemon, name):
        return Harp(f"{daemon.http.replace('127.0.0.1', 'localhost')}/harp/{name}")

    def test_controls_are_what_harp_can_show(self, daemon):
        for name, outputs in (("separate", 3), ("separate-4", 5), ("tune", 1)):
            told = self.model(daemon, name).controls()
            assert len(told["outputs"]) == outputs and all(o["type"] == "audio_track" for o in told["outputs"])
            assert set(told["card"]) == {"name", "description", "author", "tags"}
            for one in told["inputs"]:
                assert one["type"] in ("audio_track", "text_box", "dropdown", "number_box") and one["label"]
                if one["type"] == "dropdown":  # HARP takes the first of each pair
                    assert all(isinstance(pair, list) and isinstance(pair[0], str) for pair in one["choices"])
        assert Harp(daemon.http.replace("127.0.0.1", "localhost")).controls()["card"]["name"].endswith("into 2")

    def test_harp_separates(self, daemon, clip):
        harp = self.model(daemon, "separate")
        file = {"path": harp.upload(clip), "meta": {"_type": "gradio.FileData"}}
        # JUCE writes a number box's value as a double
        check_stems(harp.process([file, "kick drum", "violin", 2.0, 0.0]), clip)
        assert any("job" in line for line in harp.log)
        check_stems(sorted(newest(daemon).glob("[0-9]*.wav")) + [newest(daemon) / "residual.wav"], clip)

    def test_harp_tunes(self, daemon):
        harp = self.model(daemon, "tune")
        (preview,) = harp.process(["kick drum", "fm", 2, 0])
        assert preview == (newest(daemon) / "preview.wav").read_bytes()
        check_tune(newest(daemon))

    def test_cancel_ends_the_process_within_a_step(self, daemon):
        harp = self.model(daemon, "tune")
        event = harp.begin(["kick drum", "fm", 100_000, 1])
        daemon.until(int(event), 0)
        began = time.monotonic()
        harp.cancel()
        with pytest.raises(HarpError, match=f"job {event} was cancelled"):
            harp.finish("process", event)
        assert time.monotonic() - began < 30
        harp.cancel()  # nothing runs: no error

    def test_what_is_wrong_is_told(self, daemon, clip, tmp_path):
        harp = self.model(daemon, "separate")
        path = harp.upload(clip)
        junk = tmp_path / "junk.wav"
        junk.write_bytes(b"RIFF\xff\xff\xff\x7fWAVEjunk")
        with pytest.raises(HarpError, match=re.escape("junk.wav")):
            harp.upload(junk)
        assert not list((daemon.folder / "uploads").glob(".*.part"))
        for values, what in (
            ([{"path": "/etc/passwd"}, "a", "b", 2, 0], "outside the folders"),
            ([{"path": f"{daemon.home}/../x.wav"}, "a", "b", 2, 0], "'..'"),
            ([None, "a", "b", 2, 0], "Clip: no file"),
            ([{"path": path}, "a", "", 2, 0], "is empty"),
            ([{"path": path}, "a", 7, 2, 0], "Stem 2: '7' is no text"),
            ([{"path": path}, "a", "b", 2.5, 0], "Steps: '2.5'"),
            ([{"path": path}, "a", "b"], "3 values"),
        ):
            with pytest.raises(HarpError, match=re.escape(what)):
                harp.begin(values)
        for wrong in (b"", b"[]", b"{}", b'{"data": 3}', b"\xff\xfe", b"[" * 100_000):
            with pytest.raises(HarpError, match="the body is not"):
                harp._begin("process", wrong)
        with pytest.raises(HarpError, match="no such call"):
            harp._begin("predict", b"{}")
        with pytest.raises(HarpError, match="no such model"):
            self.model(daemon, "other").controls()
        for event in ("999999", "x", "-1", "9" * 40):
            with pytest.raises(HarpError):
                harp.finish("process", event)

    def test_the_guard_stays_in_force(self, daemon):
        harp = self.model(daemon, "separate")
        path = "/harp/separate/gradio_api/call/controls"
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert harp._request("POST", path, b"{}", headers)[0] == 403
