"""``match`` on a real plug-in: the sound comes nearer, the preset is the sound, and the same seed is the same preset."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
from hosted import fresh, sound, vst3

from sds_bridge import audio
from sds_bridge.errors import InputError, PluginError
from sds_bridge.evaluation.metrics import log_spectral_distance as reference_distance
from sds_bridge.host.distance import log_spectral_distance
from sds_bridge.host.pitch import estimate_note
from sds_bridge.host.spec import load_spec, spec_files
from sds_bridge.tasks import match as module
from sds_bridge.tasks.match import MatchRequest
from sds_bridge.tasks.search import Search

RATE = 44_100
KEY = [(0.0, bytes([0x90, 60, 100])), (0.4, bytes([0x80, 60, 0]))]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """FM6 where its spec finds it, and a sound that it made: a bright pair and a soft one."""
    folder = tmp_path / "vst3"
    folder.mkdir()
    shutil.copytree(vst3("FM6"), folder / "FM6.vst3")
    monkeypatch.setenv("SDS_BRIDGE_PLUGINS", str(folder))
    process, loaded = fresh("FM6")
    with process:
        loaded.set({"op1_ratio": 5 / 31, "op2_ratio": 2 / 31, "op2_level": 0.7, "op1_decay": 0.5, "op3_level": 0.6})
        heard = sound(loaded, KEY, 0.6 * 44_100 / 48_000)
    audio.save(tmp_path / "target.wav", heard, 48_000)
    return tmp_path


def run(folder, out: str, **options):
    (folder / out).mkdir()
    values = {"target": str(folder / "target.wav"), "plugin": "fm6", "note": 60, "hold": 0.4, "seed": 3, "children": 2}
    return module.run(MatchRequest(**{**values, **options}), folder / out)


@pytest.mark.acceptance
def test_the_sound_comes_nearer_and_the_preset_is_it(installed):
    done = run(installed, "out", evaluations=1500).summary
    assert done["distance_after"] < 0.5 * done["distance_before"]
    assert done["fall"] == pytest.approx(1 - done["distance_after"] / done["distance_before"])
    made = sorted(p.name for p in (installed / "out").iterdir())
    assert made == ["match.json", "match.vstpreset", "parameters.json", "preview.wav", "spectrogram.png"]
    preview, rate = soundfile.read(installed / "out" / "preview.wav", dtype="float32", always_2d=True)
    process, loaded = fresh("FM6")
    with process:
        loaded.load_preset(installed / "out" / "match.vstpreset")
        from sds_bridge.host import plugin

        assert np.array_equal(plugin.play(loaded, KEY, len(preview), rate), preview.T)
    values = json.loads((installed / "out" / "parameters.json").read_text())
    still = [p.name for p in load_spec(spec_files()["fm6"]).parameter if not p.match]
    process, loaded = fresh("FM6")
    with process:
        default = loaded.values()
    assert all(values[name]["position"] == default[name] and not values[name]["moved"] for name in still)
    assert values["op1_ratio"]["value"] in np.arange(0.5, 16.5, 0.5)


@pytest.mark.acceptance
def test_the_same_seed_and_evaluations_give_the_same_preset(installed):
    for out, children in (("one", 1), ("two", 3)):
        run(installed, out, evaluations=500, children=children)
    for name in ("match.vstpreset", "preview.wav", "parameters.json"):
        assert (installed / "one" / name).read_bytes() == (installed / "two" / name).read_bytes()


@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["FM6", "Nekobi"])
def test_a_candidate_scores_the_same_whatever_was_played_before(name):
    """FM6 resets itself; Nekobi's oscillator runs on, so it has to be made anew for each."""
    process, loaded = fresh(name)
    names = sorted(loaded.values())[:8]
    rows = np.random.default_rng(1).random((12, len(names))).tolist()
    with process:
        goal = np.random.default_rng(0).normal(0, 0.1, RATE // 2).astype(np.float32)
        note = {"rate": RATE, "events": [[time, list(data)] for time, data in KEY], "block": 512}
        process.request("target", goal.data.cast("B"), instrument=loaded.handle, **note)
        first = process.request("score", names=names, rows=rows)[0]["scores"]
        again = process.request("score", names=names, rows=rows[::-1])[0]["scores"]
        assert again[::-1] == first and len(set(first)) > 6
        for row, score in zip(rows[3:5], first[3:5], strict=True):
            new, other = fresh(name)
            with new:
                other.set(dict(zip(names, row, strict=True)))
                new.request("target", goal.data.cast("B"), instrument=other.handle, **note)
                assert new.request("score", names=names, rows=[row])[0]["scores"] == [score]


@pytest.mark.acceptance
def test_it_goes_on_from_a_preset_and_stops_when_told(installed):
    run(installed, "one", evaluations=400)
    done = run(installed, "two", start=str(installed / "one" / "match.vstpreset"), seconds=1.0)
    first = json.loads((installed / "one" / "match.json").read_text())["summary"]
    assert done.summary["distance_before"] == pytest.approx(first["distance_after"])
    (installed / "three").mkdir()
    request = MatchRequest(target=str(installed / "target.wav"), plugin="fm6", note=60, children=1, seconds=600)
    stopped = module.run(request, installed / "three", should_stop=lambda: True)
    assert stopped.summary["spent_seconds"] < 60 and (installed / "three" / "match.vstpreset").exists()


@pytest.mark.acceptance
def test_what_can_not_be_matched(installed):
    audio.save(installed / "target.wav", np.zeros((1, 9000), np.float32), RATE)
    with pytest.raises(InputError, match="is silent"):
        run(installed, "a")
    with pytest.raises(PluginError, match="not installed here"):
        run(installed, "b", plugin="vital")


def test_the_distance_is_the_one_of_our_metrics():
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(20_000) / 4000)
    one, other = rng.standard_normal((2, 20_000)) * decay
    for pair in ((one, other), (one, 0.1 * one), (one, np.zeros_like(one))):
        assert log_spectral_distance(*pair) == pytest.approx(reference_distance(*pair), rel=1e-3)
    assert log_spectral_distance(one, one) == 0


@pytest.mark.parametrize("note", [36, 48, 60, 69, 84])
def test_a_pitch_is_heard(note):
    time = np.arange(RATE) / RATE
    hz = 440 * 2 ** ((note - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 6)) * np.exp(-3 * time)
    assert estimate_note(tone.astype(np.float32), RATE) == (note, True)


def test_noise_and_silence_have_no_clear_pitch():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert not estimate_note(noise, RATE)[1]
    assert estimate_note(np.zeros(RATE, np.float32), RATE) == (60, False)
    assert estimate_note(np.ones(3, np.float32), RATE) == (60, False)


@pytest.mark.parametrize("positions", [[0, 0, 32, 5], [32, 5], [0], [0, 0], [100] * 3])
def test_a_search_finds_smooth_and_stepped_parameters(positions):
    steps = np.array(positions)
    goal = np.where(steps > 1, np.round(0.3 * (steps - 1)) / np.maximum(steps - 1, 1), 0.37)

    def score(rows: np.ndarray) -> np.ndarray:
        assert rows.min() >= 0 and rows.max() <= 1
        rough = np.where((steps > 0) & (steps < 50), (np.abs(rows - goal) > 1e-9) * 1.0, np.abs(rows - goal))
        return rough.sum(1)

    search = Search(score, positions, lambda s: s.evaluations >= 4000, seed=1)
    assert np.allclose(search.run(np.full(len(positions), 0.9)), goal, atol=0.02)
    again = Search(score, positions, lambda s: s.evaluations >= 4000, seed=1)
    assert np.array_equal(again.run(np.full(len(positions), 0.9)), search.at)


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_what_is_no_number_is_never_the_best(share):
    def score(rows):
        distances = np.abs(rows - 0.3).sum(1)
        return np.where(rows[:, 0] < share, distances, np.nan)

    search = Search(score, [0, 8, 0], lambda s: s.evaluations >= 2000, seed=1)
    found = search.run(np.array([0.9, 1.0, 0.9]))
    assert found.shape == (3,)
    assert np.isfinite(search.best) == (share > 0)
    if share:
        assert np.abs(found - [0.3, 2 / 7, 0.3]).max() < 0.02
