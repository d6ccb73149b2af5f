"""Exported presets in their engines: an exact one is found exact, a wrong one is not, a missing engine is said."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hosted import scanned_folders, vst3

from sds_bridge.formats import catalog
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.tasks import verify
from sds_bridge.tasks.engines.catalog import ENGINES

pytest.importorskip("dexed", reason="dexed-py isn't installed: pip install dexed-py")


def dx7_patch(seed: int) -> Patch:
    synth = DX7Synth()
    return synth.patch_of(synth.starting_positions(1, seed), name="START", note=48)


def verdict_of(patch: Patch, exported: Patch, folder) -> verify.Verdict:
    catalog.write(exported, "dx7", folder / "voice.syx")
    return verify.verify(patch, "dx7", folder / "voice.syx")


def test_a_dx7_patch_is_the_exported_voice(tmp_path):
    verdict = verdict_of(dx7_patch(1), dx7_patch(1), tmp_path)
    assert len(verdict.distances) == 6
    assert max(d.decibels for d in verdict.distances) < 0.01
    assert verdict.preview.note == 48
    assert verdict.preview.correlation > 0.999
    assert "dexed-py" in verdict.lines()[0]
    assert verdict.lines()[-1].startswith("the preview, note 48, velocity 100: ")


def test_another_voice_is_far(tmp_path):
    verdict = verdict_of(dx7_patch(1), dx7_patch(2), tmp_path)
    assert min(d.decibels for d in verdict.distances) > 1
    assert verdict.preview.correlation < 0.98


def test_an_fm_patch_is_played_and_measured(tmp_path):
    patch = Patch(synth="fm", parameters={"op1.level": 0.8, "op1.sustain": 0.8, "matrix.1.2": 1.5, "op2.ratio": 2.0})
    assert all(0 < d.decibels < 30 for d in verdict_of(patch, patch, tmp_path).distances)


def test_without_an_engine_it_says_so(tmp_path, monkeypatch):
    patch = Patch(synth="modal", parameters={"pitch": 300.0})
    lines = verify.verify(patch, "unheard", tmp_path / "x").lines()
    assert lines == ["not verified: no engine is wired up for this format"]
    monkeypatch.setitem(ENGINES, "dx7", replace(ENGINES["dx7"], version=lambda: None))
    lines = verify.verify(dx7_patch(1), "dx7", tmp_path / "x").lines()
    assert lines == ["not verified: Dexed's engine dexed-py isn't installed: pip install dexed-py"]


def test_every_format_has_an_engine():
    assert set(ENGINES) == set(catalog.FORMATS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("to", "engine"),
    [
        ("dx7", "Dexed's engine"),
        ("opm", "YM2151 of ymfm"),
        ("faust", "Faust"),
        ("supercollider", "SuperCollider"),
        ("sfz", "sfizz"),
        ("vital", "Vital"),
    ],
)
def test_the_command_line_tells_what_opened_the_file(to, engine, tmp_path):
    Patch(synth="fm", parameters={"op1.level": 0.5, "pitch.sweep": 0.0}).save(tmp_path / "patch.json")
    out = f"out{catalog.FORMATS[to].suffix}"
    command = [sys.executable, "-m", "sds_bridge.cli", "export", "patch.json", "--to", to, "-o", out, "--verify"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    opened = "opened and played by " if ENGINES[to].version() else "not verified: "
    assert opened + engine in done.stdout
    assert (tmp_path / out).exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.acceptance
def test_a_vstpreset_is_written_by_the_specs_mapping_and_played(tmp_path, monkeypatch):
    scanned_folders(monkeypatch)
    values = {"op1.level": 0.7, "op1.ratio": 1.0, "op1.sustain": 0.5, "matrix.1.2": 2.5, "op2.ratio": 3.5}
    Patch(synth="fm", parameters={**values, "noise.level": 0.001}).save(tmp_path / "patch.json")
    command = [sys.executable, "-m", "sds_bridge.cli", "export", "patch.json", "--to", "vstpreset", "-o", "x.vstpreset"]
    without = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert without.returncode == 2 and "--plugin" in without.stderr
    command += ["--plugin", str(vst3("FM6")), "--verify"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "noise.level is not on FM6" in done.stdout
    assert "note 36, velocity 60" in done.stdout and "note 84, velocity 110" in done.stdout
    assert float(done.stdout.split("the preview, ")[1].split("correlation ")[1].split()[0]) > 0.98
