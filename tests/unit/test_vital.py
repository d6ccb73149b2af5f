"""The .vital text: JSON with one sample and the laws of its controls."""

import base64
import json

import numpy as np
import pytest

from sds_bridge.formats.vital import Fade, text, velocity_gain
from sds_bridge.patch import Patch
from sds_bridge.tasks.engines.base import HOLD as HELD
from sds_bridge.tasks.engines.catalog import ENGINES
from sds_bridge.tasks.fade import HOLD, RATE, nearest
from sds_bridge.tasks.vital_sample import FADES, SILENCE, VELOCITIES, export, fit_velocity

LONG = np.tile(np.sin(2 * np.pi * 1000 * np.arange(4 * 44_100) / 44_100), (2, 1))
TONE = 0.9 * np.sin(2 * np.pi * 220 * np.arange(4410) / 44_100)


def preset(sound: np.ndarray, **options) -> dict:
    given = {"name": "x", "note": 48, "level": 0.25, "velocity": 0.5, "fade": Fade(0.0625, 7.0), **options}
    return json.loads(text(sound, **given))


def test_the_controls_follow_their_laws():
    found = preset(np.stack([TONE, TONE]))
    settings = found["settings"]
    assert found["synth_version"] == "1.5.5"
    assert settings["volume"] == pytest.approx((80 + 20 * np.log10(0.25 / 0.5)) ** 2, abs=1e-3)
    assert settings["sample_level"] == 0.70710678
    assert settings["env_1_release"] == 0.5
    assert settings["sample_transpose"] == 12.0
    assert settings["sample_random_phase"] == 0.0


def test_the_sample_is_the_sound():
    sample = preset(np.stack([TONE, -TONE]))["settings"]["sample"]
    left, right = (np.frombuffer(base64.b64decode(sample[key]), "<i2") for key in ("samples", "samples_stereo"))
    assert sample["length"] == len(left) == len(TONE)
    assert left / 32767 == pytest.approx(TONE, abs=1 / 32767)
    assert np.array_equal(left, -right)
    assert "samples_stereo" not in preset(np.stack([TONE, TONE]))["settings"]["sample"]


def test_same_sound_same_text():
    options = {"name": "x", "note": 48, "level": 1.0, "velocity": 0.5, "fade": Fade(0.1, 7.0)}
    assert text(np.stack([TONE, TONE]), **options) == text(np.stack([TONE, TONE]), **options)


def test_a_fade_goes_from_one_to_nothing():
    gain = Fade(2.0, 6.907755).gain(np.array([-1.0, 0.0, 1.0, 2.0, 3.0]))
    assert gain == pytest.approx([1, 1, 10 ** (-60 / 20), 0, 0], abs=1e-4)


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_velocity_law_is_found(amount):
    levels = [0.3 * velocity_gain(v, amount) for v in VELOCITIES]
    assert fit_velocity(levels) == pytest.approx(amount, abs=1e-6)
    assert fit_velocity([0.0] * len(VELOCITIES)) == 0.0


def test_release_is_found():
    held = np.sin(2 * np.pi * 330 * np.arange(round(2.5 * RATE)) / RATE)
    after = np.maximum(np.arange(len(held)) / RATE - HOLD, 0)
    fade = nearest(held, held * np.exp(-6.907755 * after / 0.4), FADES)
    level = fade.gain(np.array([0.2]))[0]
    assert 20 * np.log10(level) == pytest.approx(-30, abs=3)


def modal(**parameters) -> Patch:
    return Patch(synth="modal", settings={"modes": 4}, parameters={"modes.decay": [0.2] * 4, **parameters})


def test_same_patch_same_file(tmp_path):
    report = export(modal(), tmp_path / "a.vital")
    export(modal(), tmp_path / "b.vital")
    assert (tmp_path / "a.vital").read_bytes() == (tmp_path / "b.vital").read_bytes()
    assert any("other keys play it faster or slower" in line for line in report)
    assert not any("held note ends" in line for line in report)


def test_what_would_clip_is_lower_and_says_so(tmp_path):
    report = export(modal(**{"modes.gain": [1.0] * 4, "gain": 2.0}), tmp_path / "a.vital")
    assert any("dB lower: Vital has no louder one" in line for line in report)


def test_silence_is_written(tmp_path):
    export(modal(gain=0.0), tmp_path / "a.vital")
    assert json.loads((tmp_path / "a.vital").read_text())["settings"]["sample"]["length"] == 1 + SILENCE


def played(folder, key=100, **options):
    """What Vital's engine makes of a tone, struck at velocity ``key``; ``[samples]``."""
    engine = ENGINES["vital"]
    if engine.version() is None:
        pytest.skip(engine.state())
    given = {"name": "x", "note": 60, "level": 0.25, "velocity": 0.0, "fade": Fade(1.0, 4.0), **options}
    (folder / "a.vital").write_text(text(LONG, **given))
    with engine.opened(folder / "a.vital") as play:
        return play(60, key)


def level(sound: np.ndarray, at: float, seconds: float = 0.01) -> float:
    part = sound[round(at * RATE) :][: round(seconds * RATE)]
    return float(np.sqrt(2 * np.mean(np.square(part, dtype=float))))


@pytest.mark.parametrize("wanted", [0.004, 0.07, 0.5, 1.0])
def test_the_engine_plays_at_the_level_from_the_first_moment(wanted, tmp_path):
    found = played(tmp_path, level=wanted)
    assert [level(found, at) / wanted for at in (0.01, 0.05, 0.2, 0.9)] == pytest.approx([1.0] * 4, rel=0.01)


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_the_engine_follows_the_velocity_law(amount, tmp_path):
    for key in (20, 64, 127):
        found = level(played(tmp_path, key=key, velocity=amount), 0.5)
        assert found == pytest.approx(0.25 * velocity_gain(key, amount), rel=0.01, abs=1e-6)


@pytest.mark.parametrize("fade", [Fade(0.5, 4.0), Fade(2.0, 7.0), Fade(0.2, 1.0)])
def test_the_engine_falls_as_the_fade(fade, tmp_path):
    found = played(tmp_path, fade=fade)
    times = fade.seconds * np.array([0.1, 0.2, 0.3])
    fallen = [level(found, HELD + time) / level(found, 1.0) for time in times]
    assert 20 * np.log10(fallen) == pytest.approx(20 * np.log10(fade.gain(times + 0.005)), abs=1.0)


def test_nothing_is_left_after_the_sample(tmp_path):
    """Vital goes on with a sample's last value; this one ends abruptly."""
    patch = Patch(synth="fm", parameters={"op1.decay": 0.05, "op1.sustain": 0.0, "op1.ratio": 0.5})
    report = export(patch, tmp_path / "a.vital")
    with ENGINES["vital"].opened(tmp_path / "a.vital") as play:
        assert np.abs(play(60, 100)[round(1.0 * RATE) : round(1.2 * RATE)]).max() < 1e-5, report
