"""A tune and a separation from each program that can ask the daemon: HARP, REAPER's Lua, Pure Data, oscsend."""

import io
import json
import os
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
        check_stems([*sorted(newest(daemon).glob("[0-9]*.wav")), newest(daemon) / "residual.wav"], clip)

    def test_harp_tunes(self, daemon):
        harp = self.model(daemon, "tune")
        (preview,) = harp.process(["kick drum", "fm", 2, 0, 0])
        assert preview == (newest(daemon) / "preview.wav").read_bytes()
        check_tune(newest(daemon))

    def test_cancel_ends_the_process_within_a_step(self, daemon):
        harp = self.model(daemon, "tune")
        event = harp.begin(["kick drum", "fm", 100_000, 0, 1])
        daemon.until(int(event), 1)
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


@pytest.fixture(scope="module")
def reaper(daemon):
    folder = daemon.home / "REAPER's scripts"
    install.install(DAWS["reaper"], folder, daemon.port)
    (daemon.home / "resources").mkdir()

    def run(script, dialog, *items):
        stub = Path(__file__).with_name("reaper_stub.lua")
        words = ["lua5.4", stub, folder / script, daemon.home / "resources", dialog, *items]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert not list((daemon.home / "resources").iterdir()), "answers are cleared away"
        return [line.split("|") for line in done.stdout.splitlines()]

    return run


@pytest.mark.skipif(shutil.which("lua5.4") is None, reason="lua5.4 is not installed")
class TestReaper:
    """REAPER's scripts under plain Lua against tests/acceptance/reaper_stub.lua; not REAPER."""

    def test_reaper_separates_the_selected_items(self, reaper, daemon, clip):
        said = reaper("sds_separate.lua", "kick drum;violin,steps=2", clip, 1.5, 0)
        names = [line[2] for line in said if line[0] == "track"]
        assert names == ["mix", "kick drum", "violin", "residual"]
        items = [line for line in said if line[0] == "item"]
        assert items[0][7] == "1", "the item that the stems stand for is muted"
        check_stems([item[3] for item in items[1:]], clip)
        # at its place, as long, as loud, not muted, without fades
        assert all([float(v) for v in item[4:]] == [1.5, 1.0, 1.0, 0.0, 0.0] for item in items[1:])
        assert ["undo", "SDS Bridge: separate"] in said

    def test_reaper_tunes_from_a_dialog(self, reaper, daemon):
        said = reaper("sds_tune.lua", "kick drum, bass\nfm\nfm6\nsteps=2;batch=1;candidates=0")
        (item,) = [line for line in said if line[0] == "item"]
        check_tune(Path(item[3]).parent)
        assert item[2] == "kick drum, bass" and float(item[4]) == 2.25
        request = json.loads((newest(daemon) / "job.json").read_text())["request"]
        assert request["prompt"] == "kick drum, bass" and request["steps"] == 2
        set_ = {line[2]: float(line[3]) for line in said if line[0] == "parameter"}
        assert set(set_) == {"Op1 ratio", "Op1 level"}, "the rest of the stub's plug-in is not in the mapping"

    def test_what_is_wrong_is_told(self, reaper, clip):
        for script, dialog, items, what in (
            ("sds_separate.lua", "a,", (), "No item is selected"),
            ("sds_separate.lua", "a,", (clip, 0, 0.25), "Glue it first"),
            ("sds_separate.lua", ",", (clip, 0, 0), "no stem is named"),
            ("sds_separate.lua", "a,steps=many", (clip, 0, 0), "steps"),
            ("sds_separate.lua", "a,steps", (clip, 0, 0), "give it as name=value"),
            ("sds_tune.lua", "kick\nfm\nvital\n", (), "no spec carries a patch of fm"),
        ):
            messages = [line[1] for line in reaper(script, dialog, *items) if line[0] == "message"]
            assert len(messages) == 1 and what in messages[0], messages

    def test_a_prompt_is_no_command(self, reaper, daemon):
        said = reaper("sds_tune.lua", '--kick\'s "$(touch /tmp/x)" \\\nfm\n\nsteps=0;candidates=0')
        assert [line[2] for line in said if line[0] == "item"] == ['--kick\'s "$(touch /tmp/x)" \\']


def test_lua_reads_json_as_python_writes_it(tmp_path):
    lua = shutil.which("lua5.4") or pytest.skip("lua5.4 is not installed")
    bridge = Path(install.HERE) / "lua" / "bridge.lua"
    values = {"a": 'ü"\\/\n\t\u0001 😀', "n": [1, -2.5e-3, 0], "t": True, "f": False, "e": {}, "l": [[], [{"x": "y"}]]}
    (tmp_path / "drive.lua").write_text(f"""
local bridge = dofile("{bridge}")
local v = bridge.read("{tmp_path}/v.json")
assert(v.a == io.open("{tmp_path}/a"):read("a") and v.n[1] == 1 and v.n[2] == -0.0025 and v.n[3] == 0)
assert(v.t == true and v.f == false and next(v.e) == nil and v.l[2][1].x == "y")
for _, bad in ipairs({{ "", "{{", '{{"a"', '{{"a":}}', "[1,", "nul", '"x', "1 2", "{{}}x" }}) do
    assert(not pcall(bridge.json, bad), bad)
end
assert(bridge.quoted({{ 'a"b\\\\', "c d" }}, true) == '"a\\\\"b\\\\\\\\" "c d"')
""")
    (tmp_path / "v.json").write_text(json.dumps(values))
    (tmp_path / "a").write_text(values["a"])
    subprocess.run([lua, str(tmp_path / "drive.lua")], check=True, timeout=20)


DRIVE = r"""#N canvas 0 0 600 400 10;
#X obj 10 10 loadbang;
#X msg 10 40 {message};
#X obj 10 80 sds-bridge {port};
#X obj 10 120 print progress;
#X obj 150 120 print result;
#X obj 300 120 print words;
#X obj 150 160 t b;
#X msg 150 200 \; pd quit;
#X obj 300 160 route error;
#X obj 10 140 list split 1;
#X msg 10 200 cancel;
#X obj 10 30 delay 100;
#X obj 220 200 delay 300;
#X obj 10 170 moses {cancel_at};
#X connect 0 0 11 0;
#X connect 11 0 1 0;
#X connect 1 0 2 {inlet};
#X connect 2 0 3 0;
#X connect 2 1 4 0;
#X connect 2 2 5 0;
#X connect 2 1 6 0;
#X connect 2 2 8 0;
#X connect 8 0 6 0;
#X connect 6 0 12 0;
#X connect 12 0 7 0;
#X connect 2 0 9 0;
#X connect 9 0 13 0;
#X connect 13 1 10 0;
#X connect 10 0 2 0;
"""
"""Sends one message to an inlet; from step ``cancel_at`` cancels; quits at a result or an error."""


@pytest.fixture(scope="module")
def pure_data(daemon):
    home = daemon.home / "pd home"
    install.install(DAWS["puredata"], home / ".local" / "lib" / "pd" / "extra")

    def run(inlet, message, cancel_at=1e9):
        patch = daemon.home / "drive.pd"
        patch.write_text(DRIVE.format(inlet=inlet, message=message, port=daemon.port, cancel_at=cancel_at))
        words = ["pd", "-nogui", "-noaudio", "-nomidi", "-nrt", "-noprefs", "-stderr", "-open", str(patch)]
        environment = os.environ | {"HOME": str(home)}
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=environment)
        return [line.split(": ", 1) for line in done.stderr.splitlines() if ": " in line]

    return run


@pytest.mark.skipif(shutil.which("pd") is None, reason="puredata-core (pd) is not installed")
class TestPureData:
    """Pure Data runs the abstraction from where `daw install puredata` puts it."""

    def test_pure_data_tunes(self, pure_data, daemon):
        said = pure_data(0, r"kick\ drum\,\ bass fm steps=2 batch=1 candidates=0")
        result, folder = next(text for name, text in said if name == "result").split(" ", 1)
        assert result == "done" and Path(folder) == newest(daemon)
        check_tune(folder)
        assert ["progress", "2 2 0"] in said

    def test_pure_data_separates(self, pure_data, clip):
        said = pure_data(1, rf"{clip} kick\ drum violin steps=2")
        result, folder = next(text for name, text in said if name == "result").split(" ", 1)
        assert result == "done"
        check_stems([*sorted(Path(folder).glob("[0-9]*.wav")), Path(folder) / "residual.wav"], clip)

    def test_pure_data_cancels(self, pure_data):
        said = pure_data(0, "kick fm steps=100000 batch=1 candidates=0", cancel_at=1)
        assert next(text for name, text in said if name == "result").startswith("cancelled ")

    def test_pure_data_is_told_what_is_wrong(self, pure_data):
        said = pure_data(0, "kick fm steps=many")
        assert any(name == "words" and text.startswith("error steps") for name, text in said), said


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="liblo-tools (oscsend) is not installed")
def test_oscsend_separates(daemon, clip):
    """It tunes in test_osc_clients.py."""
    words = [
        "oscsend",
        "localhost",
        str(daemon.port),
        "/sds/separate",
        "issss",
        "5",
        str(clip),
        "kick",
        "bell",
        "steps=2",
    ]
    before = newest(daemon)
    subprocess.run(words, check=True, timeout=10)
    end = time.monotonic() + 20
    while newest(daemon) == before and time.monotonic() < end:
        time.sleep(0.1)
    state = daemon.client.wait(int(newest(daemon).name), timeout=120)
    assert state.status == "done"
    check_stems([*sorted(state.folder.glob("[0-9]*.wav")), state.folder / "residual.wav"], clip)
