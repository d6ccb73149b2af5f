"""Sessions through real plug-ins, as the command renders them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess
from hosted import fresh, scanned_folders, vst3, write_song

from sds_bridge.host import plugin
from sds_bridge.host.scan import scan
from sds_bridge.patch import Patch
from sds_bridge.tasks import stems as module
from sds_bridge.tasks.midi import MidiSong
from sds_bridge.tasks.session import Session

pytestmark = pytest.mark.acceptance
RATE = 44_100


@pytest.fixture
def folder(tmp_path, monkeypatch):
    scanned_folders(monkeypatch, tmp_path)
    write_song(tmp_path / "song.mid")
    Patch(synth="fm", parameters={"op1.level": 0.7, "op1.sustain": 0.6, "matrix.1.2": 2.0, "op2.ratio": 2.0}).save(
        tmp_path / "patch.json"
    )
    return tmp_path


def track(name: str, **more) -> dict:
    return {"name": name, "midi": "song.mid", **more}


def render(folder: Path, out: str, tracks: list[dict], **options):
    (folder / out).mkdir()
    session = Session(rate=RATE, tail=0.5, track=tracks, **{"depth": "32f", **options})
    return module.run(session, folder, folder / out)


def read(folder: Path, name: str) -> np.ndarray:
    return soundfile.read(folder / f"{name}.wav", dtype="float32", always_2d=True)[0].T


def band() -> list[dict]:
    fm6, late = str(vst3("FM6")), str(vst3("Late"))
    return [
        track("keys", plugin=fm6, patch="patch.json", pan=-0.5, effects=[{"effect": "Reverb"}]),
        track("late keys", plugin=str(vst3("FM6Late")), gain=-6.0, effects=[{"plugin": late}]),
        track("bass", plugin=str(vst3("Nekobi")), parameters={"cutoff": 0.7}, effects=[{"effect": "Delay"}]),
        track("ours", patch="patch.json"),
        track("ours in a room", patch="patch.json", effects=[{"effect": "Reverb", "parameters": {"room_size": 0.2}}]),
    ]


def test_the_same_bits_twice_and_the_mix_is_the_sum(folder):
    first = render(folder, "one", band())
    assert first.summary["failed"] == {}
    render(folder, "two", band())
    files = sorted(p.name for p in (folder / "one").iterdir())
    assert files == sorted([*(f"{t['name']}.wav" for t in band()), "mix.wav", "stems.json"])
    for name in files:
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes(), name
    parts = [read(folder / "one", t["name"]) for t in band()]
    assert {p.shape for p in parts} == {read(folder / "one", "mix").shape}
    assert all(np.abs(p).max() > 1e-3 for p in parts)
    total = np.sum(np.array(parts, np.float64), axis=0)
    assert np.array_equal(read(folder / "one", "mix"), total.astype(np.float32))


def test_a_stem_is_the_plug_in_alone_at_its_gain_and_pan(folder):
    fm6 = str(vst3("FM6"))
    render(folder, "out", [track("a", plugin=fm6), track("b", plugin=fm6, gain=-6.0), track("c", plugin=fm6, pan=1.0)])
    process, loaded = fresh("FM6")
    with process:
        samples = read(folder / "out", "a").shape[1]
        alone = plugin.play(loaded, MidiSong(folder / "song.mid").events(), samples, RATE)
    assert np.array_equal(read(folder / "out", "a"), alone)
    assert np.allclose(read(folder / "out", "b"), 10 ** (-6 / 20) * alone, atol=1e-7)
    right = read(folder / "out", "c")
    assert np.abs(right[0]).max() < 1e-6 and np.allclose(right[1], np.sqrt(2) * alone[1], atol=1e-6)


def test_latencies_leave_the_stems_aligned(folder):
    late = [{"plugin": str(vst3("Late"))}]
    render(folder, "out", [track("a", plugin=str(vst3("FM6"))), track("b", plugin=str(vst3("FM6Late")), effects=late)])
    assert np.array_equal(read(folder / "out", "a"), read(folder / "out", "b"))


@pytest.mark.parametrize(("depth", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("32f", "FLOAT")])
def test_depths(folder, depth, subtype):
    render(folder, "out", [track("a", plugin=str(vst3("FM6")))], depth=depth)
    for name in ("a", "mix"):
        assert soundfile.info(folder / "out" / f"{name}.wav").subtype == subtype


def test_presets_and_parameters(folder):
    process, loaded = fresh("FM6")
    with process:
        loaded.set({"op1_ratio": 4 / 31, "op2_level": 0.7})
        loaded.save_preset(folder / "x.vstpreset")
        samples = round((MidiSong(folder / "song.mid").events()[-1][0] + 0.5) * RATE)
        wanted = plugin.play(loaded, MidiSong(folder / "song.mid").events(), samples, RATE)
    fm6 = str(vst3("FM6"))
    both = {"op1_ratio": 4 / 31, "op2_level": 0.7}
    render(folder, "out", [track("a", plugin=fm6, preset="x.vstpreset"), track("b", plugin=fm6, parameters=both)])
    assert np.array_equal(read(folder / "out", "a"), wanted)
    assert np.array_equal(read(folder / "out", "b"), wanted)


def test_what_fails_leaves_the_others(folder):
    (folder / "text.vst3").write_text("hello")
    good = str(vst3("FM6"))
    plugins = {
        "good": good,
        "crash at load": vst3("CrashAtLoad"),
        "crash": vst3("CrashInRender"),
        "hang": vst3("HangInRender"),
        "text": "text.vst3",
        "unknown": "moog",
        "an effect": vst3("Late"),
        "also good": good,
    }
    lines = ["rate = 44100", "time_limit = 6.0", "[[track]]", "name = 'no midi'\nmidi = 'none.mid'\nplugin = 'fm6'"]
    lines += [f"[[track]]\nname = '{name}'\nmidi = 'song.mid'\nplugin = '{path}'" for name, path in plugins.items()]
    (folder / "session.toml").write_text("\n".join(lines))
    command = [sys.executable, "-m", "sds_bridge.cli", "stems", "session.toml", "-o", "out"]
    # a daemon hosts no plug-ins itself; one that runs beside must not notice
    with DaemonProcess(folder / "bridge") as daemon:
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
        assert time.monotonic() - began < 60
        assert daemon.process.poll() is None and daemon.client.ping()
    assert done.returncode == 1 and "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    for words in ("loading: the plug-in ended its process with signal 11", "rendering: the plug-in ended",
                  "no answer within 6 s", "text.vst3: loading", "'moog' has no spec", "is an effect", "none.mid: no such file"):  # fmt: skip
        assert words in said, words
    assert np.array_equal(read(folder / "out", "good"), read(folder / "out", "also good"))
    assert np.abs(read(folder / "out", "good")).max() > 0.01
    record = json.loads((folder / "out" / "stems.json").read_text())
    assert set(record["failed"]) == {"crash at load", "crash", "hang", "text", "unknown", "an effect", "no midi"}
    again = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)
    assert again.returncode == 2 and "not empty" in again.stderr


def test_ctrl_c_ends_what_hangs_and_keeps_what_is_made(folder):
    """Long before the hung plug-in's time limit."""
    lines = [f"time_limit = 300.0\n[[track]]\nname = 'hang'\nmidi = 'song.mid'\nplugin = '{vst3('HangInRender')}'"]
    lines += [f"[[track]]\nname = '{name}'\nmidi = 'song.mid'\npatch = 'patch.json'" for name in ("one", "two")]
    (folder / "session.toml").write_text("\n".join(lines))
    command = [sys.executable, "-m", "sds_bridge.cli", "stems", "session.toml", "-o", "out"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as running:
        began = time.monotonic()
        while not all((folder / "out" / f"{name}.wav").exists() for name in ("one", "two")):
            assert time.monotonic() - began < 60 and running.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=15)[1]
    assert running.returncode == 130 and f"stopped; 3 files are in {folder / 'out'}" in said and "loss" not in said
    record = json.loads((folder / "out" / "stems.json").read_text())
    assert list(record["stems"]) == ["one", "two"] and record["failed"] == {} and "mix" not in record
    assert sorted(f.name for f in (folder / "out").iterdir()) == ["one.wav", "stems.json", "two.wav"]


def test_an_old_stem_of_a_track_that_fails_now_is_gone(folder):
    render(folder, "out", [track("one", patch="patch.json"), track("two", patch="patch.json")])
    (folder / "out" / "mine.wav").write_bytes(b"precious")
    session = Session(
        rate=RATE, tail=0.5, depth="32f", track=[track("one", patch="gone.json"), track("two", patch="patch.json")]
    )
    assert list(module.run(session, folder, folder / "out").summary["failed"]) == ["one"]
    assert sorted(f.name for f in (folder / "out").iterdir()) == ["mine.wav", "mix.wav", "stems.json", "two.wav"]
    assert np.array_equal(read(folder / "out", "mix"), read(folder / "out", "two"))


def test_a_stem_above_full_scale_is_said_to_be_floats(folder):
    text = "depth = '24'\n[[track]]\nname = 'loud'\nmidi = 'song.mid'\npatch = 'patch.json'\ngain = 24.0"
    (folder / "session.toml").write_text(text)
    command = [sys.executable, "-m", "sds_bridge.cli", "stems", "session.toml", "-o", "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 0 and "- loud: peaks at +" in done.stdout and "- the mix: peaks at +" in done.stdout
    assert soundfile.info(folder / "out" / "loud.wav").subtype == "FLOAT"


def test_a_sound_that_is_not_finite_is_an_error_of_its_track(folder):
    broken = [{"effect": "Gain", "parameters": {"gain_db": 900.0}}, {"effect": "Invert"}]
    done = render(
        folder, "out", [track("broken", patch="patch.json", effects=broken), track("ours", patch="patch.json")]
    )
    assert list(done.summary["failed"]) == ["broken"] and "NaN or infinite" in done.summary["failed"]["broken"]
    assert not (folder / "out" / "broken.wav").exists()
    assert np.array_equal(read(folder / "out", "mix"), read(folder / "out", "ours"))


def test_no_track_at_all_is_an_error(folder):
    (folder / "session.toml").write_text("[[track]]\nname = 'a'\nmidi = 'none.mid'\nplugin = 'fm6'")
    command = [sys.executable, "-m", "sds_bridge.cli", "stems", "session.toml", "-o", "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 2 and "no track could be made" in done.stderr


def test_a_plug_in_in_no_scanned_folder_is_not_run(folder, monkeypatch):
    monkeypatch.setenv("SDS_BRIDGE_PLUGINS", "")
    monkeypatch.setenv("SDS_BRIDGE_CACHE", str(folder / "cache"))
    there = folder / "mine" / "FM6.vst3"
    shutil.copytree(vst3("FM6"), there)
    tracks = [track("theirs", plugin="mine/FM6.vst3"), track("ours", patch="patch.json")]
    assert "lies in no scanned folder" in render(folder, "before", tracks).summary["failed"]["theirs"]
    scan([folder / "mine"])
    assert render(folder, "after", tracks).summary["failed"] == {}
