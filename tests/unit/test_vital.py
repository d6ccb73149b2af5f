"""The .vital text: JSON with one sample and the laws of its controls."""

import base64
import json

import numpy as np
import pytest

from sds_bridge.formats.vital import Fade, text
from sds_bridge.patch import Patch
from sds_bridge.tasks.vital_sample import HOLD, RATE, VELOCITIES, export, fit_fade, fit_velocity

TONE = 0.9 * np.sin(2 * np.pi * 220 * np.arange(4410) / 44_100)


def preset(sound: np.ndarray, **options) -> dict:
    given = {"name": "x", "note": 48, "level": 0.25, "velocity": 0.5, "fade": Fade(0.0625, 7.0), **options}
    return json.loads(text(sound, **given))


def test_the_controls_follow_their_laws():
    found = preset(np.stack([TONE, TONE]))
    settings = found["settings"]
    assert found["synth_version"] == "1.5.5"
    assert settings["sample_level"] == 0.5
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
    assert gain == pytest.approx([1, 1, 10 ** (-30 / 20), 0, 0], abs=2e-3)


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_velocity_law_is_found(amount):
    levels = [0.3 * (1 - amount + amount * (v / 127) ** 2) for v in VELOCITIES]
    assert fit_velocity(levels) == pytest.approx(amount, abs=1e-6)
    assert fit_velocity([0.0] * len(VELOCITIES)) == 0.0


def test_release_is_found():
    held = np.tile(np.sin(2 * np.pi * 330 * np.arange(round(2.5 * RATE)) / RATE), (2, 1))
    after = np.maximum(np.arange(held.shape[1]) / RATE - HOLD, 0)
    fade = fit_fade(held, held * np.exp(-6.907755 * after / 0.4))
    level = fade.gain(np.array([0.2]))[0]
    assert 20 * np.log10(level) == pytest.approx(-30, abs=6)


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
    assert any("dB lower, so that the sample doesn't clip" in line for line in report)


def test_silence_is_written(tmp_path):
    export(modal(gain=0.0), tmp_path / "a.vital")
    assert json.loads((tmp_path / "a.vital").read_text())["settings"]["sample"]["length"] == 1
