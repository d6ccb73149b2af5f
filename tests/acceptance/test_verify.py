"""Exported presets in their engines: an exact one is found exact, a wrong one is not, a missing engine is said."""

import importlib.metadata

import pytest

from sds_bridge.formats import catalog
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.tasks import verify

pytest.importorskip("dexed", reason="dexed-py isn't installed: pip install dexed-py")


def dx7_patch(seed: int) -> Patch:
    synth = DX7Synth()
    return synth.patch_of(synth.starting_positions(1, seed), name="START", note=48)


def test_a_dx7_patch_is_the_exported_voice():
    patch = dx7_patch(1)
    verdict = verify.verify(patch, "dx7", catalog.export(patch, "dx7")[0])
    assert len(verdict.distances) == 6
    assert max(d.decibels for d in verdict.distances) < 0.01
    assert "dexed-py" in verdict.lines()[0]


def test_another_voice_is_far():
    verdict = verify.verify(dx7_patch(1), "dx7", catalog.export(dx7_patch(2), "dx7")[0])
    assert min(d.decibels for d in verdict.distances) > 1


def test_an_fm_patch_is_played_and_measured():
    patch = Patch(synth="fm", parameters={"op1.level": 0.8, "op1.sustain": 0.8, "matrix.1.2": 1.5, "op2.ratio": 2.0})
    verdict = verify.verify(patch, "dx7", catalog.export(patch, "dx7")[0])
    assert all(0 < d.decibels < 30 for d in verdict.distances)


def test_without_an_engine_it_says_so(monkeypatch):
    patch = Patch(synth="modal", parameters={"pitch": 300.0})
    assert verify.verify(patch, "faust", b"").lines() == ["not verified: no engine is wired up"]

    def missing(content):
        raise ImportError

    def nothing(package):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setitem(verify.ENGINES, "dx7", ("Dexed's engine", "dexed-py", missing))
    monkeypatch.setattr(verify.importlib.metadata, "version", nothing)
    lines = verify.verify(dx7_patch(1), "dx7", b"").lines()
    assert lines == ["not verified: dexed-py isn't installed: pip install dexed-py"]
