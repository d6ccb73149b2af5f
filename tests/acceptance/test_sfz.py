"""SFZ instruments played by sfizz."""

import time

import numpy as np
import pytest
import torch

from sds_bridge.evaluation.metrics import spectrogram_correlation
from sds_bridge.formats import sfz
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks import multisample

pysfizz = pytest.importorskip("pysfizz", reason="pysfizz isn't installed: pip install pysfizz")

RATE = multisample.RATE


@pytest.fixture(scope="module")
def few_samples():
    patch = pytest.MonkeyPatch()
    patch.setattr(multisample, "KEYS", [48, 60, 72])
    patch.setattr(multisample, "VELOCITIES", (60, 110))
    yield
    patch.undo()


def sustained() -> Patch:
    return Patch(
        synth="fm",
        name="organ",
        parameters={"op1.level": 0.7, "op1.sustain": 0.8, "op1.release": 0.1, "matrix.1.2": 1.0, "op2.sustain": 0.6},
    )


def struck() -> Patch:
    return Patch(synth="modal", name="bell", parameters={"pitch": 400.0, "modes.decay": [0.8] * 128})


def voice() -> Patch:
    """A DX7 voice whose modulators are louder at higher velocities."""
    ops = {f"op{i}.velocity_sensitivity": 5.0 for i in (1, 2)} | {"op2.output_level": 80.0, "op1.output_level": 99.0}
    return Patch(synth="dx7", name="keys", parameters=ops)


def sfizz(path, note: int, velocity: int, hold: float, seconds: float) -> np.ndarray:
    player = pysfizz.Synth(RATE, 512)
    player.load_sfz_file(str(path))
    # sfizz streams samples from a thread of its own, which may be late in the first, faster than real time, pass
    player.render_note(note, velocity, hold, seconds)
    time.sleep(0.3)
    return np.asarray(player.render_note(note, velocity, hold, seconds), dtype=np.float64)


def ours(patch: Patch, note: int, velocity: int, hold: float, seconds: float) -> np.ndarray:
    synth = make_synth(patch.synth, patch.settings)
    with torch.inference_mode():
        options = {"note": note, "velocity": velocity, "seconds": seconds, "hold": hold, "rate": RATE}
        return synth.render(synth.values_from(patch), reference_note=patch.note, **options)[0].double().numpy()


@pytest.mark.parametrize("make", [sustained, struck])
def test_sampled_keys_sound_as_the_patch(tmp_path, few_samples, make):
    patch = make()
    report = multisample.export(patch, tmp_path / "x.sfz")
    assert "3 samples" in report[0]  # key velocity changes these patches' level alone
    for note, velocity in ((48, 60), (60, 110), (72, 60)):
        theirs = sfizz(tmp_path / "x.sfz", note, velocity, 1.0, 1.4)
        mine = ours(patch, note, velocity, 1.0, 1.4)
        length = min(theirs.shape[-1], mine.shape[-1])
        assert spectrogram_correlation(mine[:, :length], theirs[:, :length]) > 0.97


@pytest.mark.parametrize("make", [sustained, struck, voice])
def test_every_velocity_is_as_loud_as_in_the_patch(tmp_path, few_samples, make):
    patch = make()
    multisample.export(patch, tmp_path / "x.sfz")
    off = []
    for velocity in (1, 20, 70, 85, 100, 127):
        pair = [
            f(60, velocity, 0.4, 0.4) for f in (lambda *a: sfizz(tmp_path / "x.sfz", *a), lambda *a: ours(patch, *a))
        ]
        off.append(20 * np.log10(np.square(pair[0]).mean() / np.square(pair[1]).mean()) / 2)
    assert np.ptp(off) < 1.5, off


def test_a_release_is_sfizzs(tmp_path, few_samples):
    patch = sustained()
    multisample.export(patch, tmp_path / "x.sfz")
    seconds = float(next(w for w in (tmp_path / "x.sfz").read_text().split() if w.startswith("ampeg_release"))[14:])
    held, let_go = (sfizz(tmp_path / "x.sfz", 60, 110, hold, 1.6).mean(0) for hold in (1.6, 1.0))
    times = seconds * np.array([0.2, 0.4, 0.6])
    at = [slice(round((1.0 + t) * RATE), round((1.01 + t) * RATE)) for t in times]
    fallen = [np.square(let_go[part]).mean() / np.square(held[part]).mean() for part in at]
    wanted = sfz.Release(seconds).gain(times + 0.005)
    assert 10 * np.log10(fallen) == pytest.approx(20 * np.log10(wanted), abs=1.5)


def test_a_held_note_goes_on_after_the_loop(tmp_path, few_samples):
    multisample.export(sustained(), tmp_path / "x.sfz")
    sound = sfizz(tmp_path / "x.sfz", 60, 110, 8.0, 8.0).mean(0)
    early, late = (np.sqrt(np.mean(sound[round(t * RATE) :][:RATE] ** 2)) for t in (1.0, 6.5))
    assert late == pytest.approx(early, rel=0.1)
    # a click would be a jump far above the sound's own steepest slope
    assert np.abs(np.diff(sound[2 * RATE :])).max() < 1.5 * np.abs(np.diff(sound[RATE // 2 : 2 * RATE])).max()


def test_ranges_cover_every_key_and_velocity_once():
    found = sfz.spans([24, 28, 96], 0, 127)
    assert [n for low, high in found for n in range(low, high + 1)] == list(range(128))
    assert all(low <= p <= high for p, (low, high) in zip([24, 28, 96], found, strict=True))


def test_nothing_is_overwritten(tmp_path, few_samples):
    from sds_bridge.errors import InputError

    (tmp_path / "x-samples").mkdir()
    with pytest.raises(InputError, match="exists already"):
        multisample.export(struck(), tmp_path / "x.sfz")
    with pytest.raises(InputError, match="name ends in"):
        multisample.export(struck(), tmp_path / "x.wav")
