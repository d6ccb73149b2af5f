"""Scans of real plug-ins: found once, asked once, and what crashes or hangs is put aside."""

from __future__ import annotations

import shutil

import pytest
from hosted import vst3

from sds_bridge.host import scan as module
from sds_bridge.host.scan import Cache, scan

pytestmark = pytest.mark.acceptance


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SDS_BRIDGE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "vst3"
    folder.mkdir()
    shutil.copytree(vst3("FM6"), folder / "FM6.vst3")
    return folder


def test_what_is_installed_is_listed_and_asked_once(folder, monkeypatch):
    shutil.copytree(vst3("Late"), folder / "Late.vst3")
    found = scan([folder])
    assert [(e.plugins[0].name, e.plugins[0].instrument, e.parameters) for e in found] == [
        ("FM6", True, 39),
        ("Late", False, 2),
    ]
    asked = []
    real = module._ask
    monkeypatch.setattr(module, "_ask", lambda path, *rest: asked.append(path.name) or real(path, *rest))
    assert scan([folder]) == found and asked == []
    (folder / "Late.vst3" / "Contents" / "new").write_text("changed")
    scan([folder])
    assert asked == ["Late.vst3"]


def test_what_crashes_is_put_aside_until_it_is_retried(folder, monkeypatch):
    shutil.copytree(vst3("CrashAtLoad"), folder / "CrashAtLoad.vst3")
    (folder / "text.vst3").write_text("hello")
    bad, good, text = scan([folder])
    assert bad.quarantined and "signal 11" in bad.problem and bad.plugins == []
    assert good.plugins[0].name == "FM6" and not good.problem
    assert text.problem and not text.quarantined
    asked = []
    monkeypatch.setattr(module, "_ask", lambda path, *rest: asked.append(path.name) or bad)
    scan([folder])
    assert asked == []
    scan([folder], retry=True)
    assert asked == ["CrashAtLoad.vst3", "text.vst3"]


def test_a_slow_plug_in_is_put_aside_at_its_limit(folder):
    entry = scan([folder], limit=0.01)[0]
    assert entry.quarantined and "no answer within 0.01 s" in entry.problem


def test_a_spoilt_cache_is_made_anew(folder):
    scan([folder])
    Cache.path().write_text("{ spoilt")
    assert scan([folder])[0].plugins[0].name == "FM6"
    assert len(Cache.load().entries) == 1
