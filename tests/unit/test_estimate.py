"""What a job needs is known before it is taken, and what can't fit is refused with the numbers."""

import json
import re

import numpy as np
import pytest
import soundfile
from http_front import opened

from sds_bridge.daemon import estimate, memory, room
from sds_bridge.daemon.access import Access
from sds_bridge.daemon.intake import Intake
from sds_bridge.daemon.store import Store
from sds_bridge.errors import InputError, JobError
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest


@pytest.fixture
def intake(tmp_path):
    (tmp_path / "jobs").mkdir()
    soundfile.write(tmp_path / "clip.wav", np.zeros((44_100 * 5, 2)), 44_100, subtype="PCM_16")
    store = Store(tmp_path / "jobs.sqlite")
    yield Intake(store, Access([tmp_path]), tmp_path)
    store.close()


def test_more_of_anything_needs_more(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(44_100), 44_100)
    soundfile.write(tmp_path / "b.wav", np.zeros(44_100 * 4), 44_100)

    def tune(**more):
        return estimate.tune(TuneRequest(prompt="kick", **more))

    def separation(clip, stems, **more):
        return estimate.separation(SeparateRequest(clip=str(tmp_path / clip), stems=["x"] * stems, **more))

    assert tune(batch=64).memory > tune().memory and tune(steps=9999).disk > tune().disk
    assert tune(prior="stable-audio-open").memory > tune().memory + 4_000_000_000
    assert separation("b.wav", 2).memory > separation("a.wav", 2).memory
    for field in ("memory", "disk"):
        assert getattr(separation("a.wav", 8), field) > getattr(separation("a.wav", 2), field)
    assert separation("a.wav", 2, mode="latent").disk > separation("a.wav", 2).disk


def test_a_separations_files_are_counted(intake, tmp_path):
    need = estimate.separation(SeparateRequest(clip=str(tmp_path / "clip.wav"), stems=["a", "b"]))
    stems_and_residual = 3 * 5 * 44_100 * 2 * 2
    assert stems_and_residual < need.disk < 2 * stems_and_residual


def test_what_can_never_fit_is_refused_with_the_numbers(intake, monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 500_000_000)
    with pytest.raises(JobError, match=r"needs about 948 MB of memory; this machine has 500 MB\. Use a shorter clip"):
        intake.tune({"prompt": "kick", "synth": "fm"})


def test_what_the_disk_can_not_hold_is_refused_with_the_numbers(intake, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "free", lambda folder: 40_000_000)
    told = f"the job needs .* MB on the disk of {re.escape(str(tmp_path))}, 40 MB are free. Make room"
    with pytest.raises(JobError, match=told):
        intake.tune({"prompt": "kick", "synth": "modal", "steps": 50_000})
    assert intake.tune({"prompt": "kick", "synth": "fm"}).disk > 0


def test_a_request_sent_twice_is_answered_though_the_disk_is_full(intake, monkeypatch):
    first = intake.tune({"prompt": "kick"}, token="once")
    monkeypatch.setattr(room, "free", lambda folder: 0)
    assert intake.tune({"prompt": "kick"}, token="once") == first


def test_a_priority_has_a_range(intake):
    assert intake.tune({"prompt": "kick"}, priority=-100).priority == -100
    with pytest.raises(InputError, match="priority: 101; -100 to 100 is allowed"):
        intake.tune({"prompt": "kick"}, priority=101)


def test_http_tells_and_refuses(tmp_path, monkeypatch):
    with opened(tmp_path) as front:
        made = front.post("/api/tunes", {"prompt": "kick", "priority": 3}).json()
        assert made["priority"] == 3 and made["memory"] > 5e8 and made["disk"] > 0
        assert "priority" not in json.dumps(made["request"])
        front.post("/api/tunes", {"prompt": "kick", "priority": 300}, 422)
        monkeypatch.setattr(room, "free", lambda folder: 0)
        error = front.post("/api/tunes", {"prompt": "kick"}, 409)
        assert "0.0 MB are free. Make room" in error
        assert front.get("/api/jobs").json() == [made]


def test_memory_of_this_machine():
    assert 0 < memory.available() <= memory.total()
    assert memory.lacking(1) == ""
    assert "are free" in memory.lacking(1 << 60)
