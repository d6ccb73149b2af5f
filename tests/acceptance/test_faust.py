"""Exported Faust programs, compiled by ``faust`` and g++ and struck."""

from pathlib import Path

import numpy as np
import pytest

from sds_bridge.errors import FormatError
from sds_bridge.formats import faust_fm, faust_modal
from sds_bridge.patch import Patch
from sds_bridge.synths.fm import FMSynth
from sds_bridge.tasks.engines import faust

if faust.version() is None:
    pytest.skip("faust or g++ isn't installed: apt-get install faust g++", allow_module_level=True)

RATE = 48_000

HZ_OF_60 = 261.625565


class Program:
    """A patch compiled to an executable."""

    def __init__(self, patch: Patch, folder: Path) -> None:
        text, self.report = faust_modal.export(patch)
        (folder / "patch.dsp").write_text(text, encoding="utf-8")
        self.path = faust.build(folder / "patch.dsp", folder)

    def strike(self, seconds: float, freq: float = HZ_OF_60, gain: float = 1.0) -> np.ndarray:
        return faust.play(self.path, hz=freq, gain=gain, hold=seconds, seconds=seconds, rate=RATE).T


def modal(
    frequencies: dict[int, float], gains: dict[int, float], decays: dict[int, float], modes: int = 8, **more: float
) -> Patch:
    """Modes by number; the others silent. Residuals are solved so that mode k sounds at its frequency."""
    pitch = 200.0
    residual = [0.0] * modes
    for k, hz in frequencies.items():
        residual[k] = 12 * float(np.log2(hz / (pitch * (k + 1) ** 1.05)))
    parameters = {
        "pitch": pitch,
        "spread": 1.0,
        "modes.residual": residual,
        "modes.decay": [decays.get(k, 0.1) for k in range(modes)],
        "modes.gain": [gains.get(k, 0.0) for k in range(modes)],
        "strike.level": 0.0,
        "reverb.level": [0.0] * 7,
        "gain": 1.0,
        "velocity.amount": 1.0,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    return Patch(synth="modal", name='a "bell" \\', note=60, settings={"modes": modes}, parameters=parameters)


HZ, GAIN, DECAY = {0: 220.5, 1: 523.7, 4: 1411.3}, {0: 0.5, 1: 0.25, 4: 0.1}, {0: 1.5, 1: 0.8, 4: 0.3}


@pytest.fixture(scope="module")
def bell(tmp_path_factory):
    return Program(modal(HZ, GAIN, DECAY), tmp_path_factory.mktemp("bell"))


def test_the_impulse_is_the_sum_of_damped_cosines(bell):
    sound = bell.strike(1.0)
    time = np.arange(len(sound)) / RATE
    ours = sum(GAIN[k] * np.exp(-6.907755 * time / DECAY[k]) * np.cos(2 * np.pi * HZ[k] * time) for k in HZ)
    assert np.array_equal(sound[:, 0], sound[:, 1])
    assert np.abs(sound[:, 0] - ours).max() < 1e-4 * np.abs(ours).max()


def test_the_main_mode_has_its_frequency_and_decay(bell):
    sound = bell.strike(1.2)[:, 0]
    part = sound[:RATE] * np.hanning(RATE)
    spectrum = np.abs(np.fft.rfft(part, 8 * RATE))
    k = int(spectrum.argmax())
    assert abs(1200 * np.log2(k / 8 / HZ[0])) < 2
    band = np.exp(-2j * np.pi * HZ[0] * np.arange(len(sound)) / RATE) * sound

    def level(at: float) -> float:
        width = round(10 / HZ[0] * RATE)
        return 20 * float(np.log10(np.abs(band[round(at * RATE) :][:width].mean())))

    assert 60 * 0.8 / (level(0.2) - level(1.0)) == pytest.approx(DECAY[0], rel=0.03)


def test_freq_moves_the_modes_and_gain_is_velocity(bell):
    high = bell.strike(1.0, freq=2 * HZ_OF_60)[:, 0]
    spectrum = np.abs(np.fft.rfft(high * np.hanning(len(high)), 8 * len(high)))
    assert abs(1200 * np.log2(spectrum.argmax() / 8 / (2 * HZ[0]))) < 2
    soft, loud = bell.strike(0.2, gain=0.5), bell.strike(0.2)
    assert np.abs(soft).max() / np.abs(loud).max() == pytest.approx(0.25, rel=1e-3)


def test_a_mode_above_nyquist_is_silent(bell):
    sound = bell.strike(0.2, freq=8000.0)[:, 0]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.isfinite(sound).all()
    assert abs(np.fft.rfftfreq(len(sound), 1 / RATE)[spectrum.argmax()] - HZ[0] * 8000 / 261.6256) < 30
    top = np.fft.rfftfreq(len(sound), 1 / RATE) > 17_000
    assert spectrum[top].max() < 1e-2 * spectrum.max()


def test_full_patch_compiles_and_reports(tmp_path):
    random = np.random.default_rng(1)
    gains = (0.1 + 0.9 * random.random(128)).tolist()
    gains[5] = 0.0
    parameters = {"pitch": 400.0, "modes.gain": gains, "modes.decay": (0.1 + random.random(128)).tolist()}
    program = Program(Patch(synth="modal", parameters=parameters), tmp_path)
    assert any(line.startswith("1 of 128 modes dropped: 100 dB") for line in program.report)
    assert any(line.startswith("room") for line in program.report)
    sound = program.strike(0.5)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 0.1


def test_contact_noise_has_its_level_and_decay(tmp_path):
    patch = modal({}, {}, {}, strike__level=0.8, strike__decay=0.4, strike__tone=18000.0)
    program = Program(patch, tmp_path)
    assert program.report[-1] == "no mode is left: only the contact noise sounds"
    sound = program.strike(0.4)[:, 0]
    rms = [20 * np.log10(np.sqrt(np.mean(sound[round(t * RATE) :][:2400] ** 2))) for t in (0.0, 0.3)]
    assert rms[0] - rms[1] == pytest.approx(60 * 0.3 / 0.4, abs=1.5)
    # white noise of rms 0.8 under a first-order low-pass at 18 kHz keeps about 0.65 of its power
    assert rms[0] == pytest.approx(20 * np.log10(0.8) + 10 * np.log10(0.65) - 60 * 0.025 / 0.4, abs=2)


def test_same_patch_same_text():
    patch = modal(HZ, GAIN, DECAY)
    assert faust_modal.export(patch) == faust_modal.export(patch)
    assert 'declare name "a bell ";' in faust_modal.export(patch)[0]


@pytest.mark.parametrize("operators", [1, 3, 4])
def test_an_fm_program_is_our_synth_sample_for_sample(tmp_path, operators):
    """Random values of all but noise and room, with cycles and feedback weak enough not to amplify rounding."""
    synth = FMSynth(operators)
    random = np.random.default_rng(operators)
    parameters = {p.name: float(p.to_value(random.random())) for p in synth.parameters}
    parameters |= {
        f"matrix.{i}.{j}": 0.5 * random.random() for i in range(1, operators + 1) for j in range(1, operators + 1)
    }
    parameters |= {"noise.level": 0.0, "reverb.send": 0.0, "op1.level": 0.5, "op1.attack": 0.01, "gain": 1.0}
    patch = Patch(synth="fm", settings={"operators": operators}, parameters=parameters)
    (tmp_path / "patch.dsp").write_text(faust_fm.export(patch)[0], encoding="utf-8")
    program = faust.build(tmp_path / "patch.dsp", tmp_path)
    theirs = faust.play(program, hz=220.0, gain=80 / 127, hold=0.3, seconds=0.6, rate=RATE)
    values = {name: value.double() for name, value in synth.values_from(patch).items()}
    options = {"note": 57, "velocity": 80, "seconds": 0.6, "hold": 0.3, "rate": RATE}
    ours = synth.render(values, **options)[0].numpy()
    assert np.abs(ours).max() > 0.01
    assert np.abs(theirs - ours).max() < 0.01 * np.abs(ours).max()


def test_a_text_that_is_no_program_is_refused(tmp_path):
    (tmp_path / "patch.dsp").write_text("process = ;", encoding="utf-8")
    with pytest.raises(FormatError, match="faust refuses the file"):
        faust.build(tmp_path / "patch.dsp", tmp_path)
