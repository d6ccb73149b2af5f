"""Exported voices played by Dexed's engine."""

import numpy as np
import pytest

from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7 import export
from sds_bridge.formats.dx7_sysex import Operator, Voice, write_voice
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7_algorithms import ALGORITHMS
from sds_bridge.synths.fm_parameters import fm_parameters

dexed = pytest.importorskip("dexed", reason="dexed-py isn't installed: pip install dexed-py")

RATE = 44_100


def play(message: bytes, note: int = 60, velocity: int = 100, hold: float = 1.0, seconds: float = 1.5) -> np.ndarray:
    synth = dexed.DexedSynth(RATE)
    synth.load_patch(dexed.Patch.from_sysex(message[6:-2]))
    return np.asarray(synth.render(note, velocity, hold, seconds), dtype=np.float64).ravel()


def fm(**parameters: float) -> Patch:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return Patch(synth="fm", parameters={"op1.level": 0.5, "op1.sustain": 1.0, **named})


def peak_hz(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    k = int(spectrum[10:].argmax()) + 10
    a, b, c = np.log(spectrum[k - 1 : k + 2])
    return (k + (a - c) / (a - 2 * b + c) / 2) * RATE / (8 * len(sound))


def cents(found: float, expected: float) -> float:
    return 1200 * float(np.log2(found / expected))


def level_db(sound: np.ndarray, at: float, width: float = 0.01) -> float:
    start = round((at - width / 2) * RATE)
    part = sound[max(start, 0) : start + round(width * RATE)]
    return 20 * float(np.log10(np.sqrt(2 * np.mean(part**2)) + 1e-9))


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: f"algorithm {a.number}")
def test_algorithms_agree_with_dexed(algorithm):
    matrix = dexed.get_mod_matrix(algorithm.number - 1)
    ours = np.array([[by in algorithm.modulators(to) for by in range(6)] for to in range(6)])
    assert np.array_equal(matrix != 0, ours)
    assert tuple(dexed.get_carriers(algorithm.number - 1)) == algorithm.carriers
    assert dexed.get_feedback_edge(algorithm.number - 1) == algorithm.feedback


@pytest.mark.parametrize("level", [99, 85, 70, 50])
def test_modulation_index_law(level):
    """A modulator at half the carrier's frequency; sidebands are Bessel functions of the index."""
    from scipy.special import jv

    modulator = Operator(output_level=level, coarse=0)
    silent = (Operator(),) * 4
    sound = play(write_voice(Voice(operators=(Operator(output_level=99), modulator, *silent))), note=81)
    part = sound[4410:][: RATE // 2]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)))) * 4 / len(part)
    index = laws.FULL_INDEX * laws.amplitude(level)
    for harmonic in range(1, 12):
        # 440 Hz bins: the sidebands at and below zero fold back with their sign turned
        expected = abs(jv(harmonic - 2, index) - jv(-harmonic - 2, index))
        assert spectrum[harmonic * 220] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("note", [36, 60, 96])
def test_detune_law(note):
    def hz(detune: int) -> float:
        operator = Operator(output_level=99, detune=detune)
        return peak_hz(play(write_voice(Voice(operators=(operator,) + (Operator(),) * 5)), note)[4410:39690])

    assert cents(hz(14), hz(7)) == pytest.approx(7 * laws.detune_cents(note), abs=0.2)
    assert cents(hz(0), hz(7)) == pytest.approx(-7 * laws.detune_cents(note), abs=0.2)


@pytest.mark.parametrize("rate", [25, 40, 55, 65])
def test_envelope_fall_law(rate):
    speed = laws.fall_rate(laws.step_of(rate))
    operator = Operator(output_level=99, rates=(99, rate, rate, 99), levels=(99, 0, 0, 0))
    seconds = min(40 / speed, 12.0)
    sound = play(
        write_voice(Voice(operators=(operator,) + (Operator(),) * 5)), 84, hold=seconds + 0.2, seconds=seconds + 0.1
    )
    early, late = 0.2 * seconds, 0.8 * seconds
    measured = (level_db(sound, early) - level_db(sound, late)) / (late - early)
    assert measured == pytest.approx(speed, rel=0.03)


@pytest.mark.parametrize("rate", [40, 60])
@pytest.mark.parametrize("output", [99, 75])
def test_envelope_rise_law(rate, output):
    operator = Operator(output_level=output, rates=(rate, 99, 99, 99))
    sound = play(write_voice(Voice(operators=(operator,) + (Operator(),) * 5)), 96, hold=2.0, seconds=1.5)
    time = np.linspace(0, 1.5, 15001)
    curve = laws.rise(laws.step_of(rate), output, time)
    half = float(time[np.argmax(curve >= 0.5)])
    peak = np.abs(sound).max()
    assert (
        np.abs(sound[: round(0.9 * half * RATE)]).max() < 0.5 * peak < np.abs(sound[: round(1.1 * half * RATE)]).max()
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_patches_sound(seed):
    random = np.random.default_rng(seed)
    parameters = {p.name: float(p.to_value(random.random())) for p in fm_parameters(4)}
    message, report = export(Patch(synth="fm", parameters=parameters))
    attack = max(parameters[f"op{i}.attack"] for i in range(1, 5))
    sound = play(message, hold=attack + 0.5, seconds=attack + 0.5)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 0.05
    assert report[0].startswith("algorithm ")


@pytest.mark.parametrize("note", [36, 48, 60, 72, 84, 96])
@pytest.mark.parametrize(
    ("ratio", "detune", "offset"),
    [(1.0, 0.0, 0.0), (0.5, 10.0, 5.37), (3.3719, -18.0, -7.25), (7.77, 25.0, -24.0), (1.0, 3.0, 24.0)],
)
def test_pitch_is_within_ten_cents(note, ratio, detune, offset):
    message, _ = export(fm(op1__ratio=ratio, op1__detune=detune, pitch__offset=offset))
    expected = 440 * 2 ** ((note - 69 + offset) / 12) * ratio * 2 ** (detune / 1200)
    assert abs(cents(peak_hz(play(message, note)[4410:39690]), expected)) < 10


def test_intervals_between_operators_hold():
    """Three carriers with awkward ratios, each within 5 cents at the tuned note."""
    ratios = {1: 1.0, 2: 2.731, 3: 5.093}
    parameters = {
        f"op{i}__{key}": value
        for i, r in ratios.items()
        for key, value in (("ratio", r), ("level", 0.3), ("sustain", 1.0))
    }
    sound = play(export(fm(pitch__offset=0.41, **parameters))[0])[4410:39690]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    hz = np.fft.rfftfreq(8 * len(sound), 1 / RATE)
    for ratio in ratios.values():
        expected = 261.6256 * 2 ** (0.41 / 12) * ratio
        near = (hz > expected * 0.97) & (hz < expected * 1.03)
        assert abs(cents(float(hz[near][spectrum[near].argmax()]), expected)) < 5


@pytest.mark.parametrize("decay", [0.15, 0.5, 2.0, 6.0])
def test_time_to_fall_is_ours(decay):
    message, _ = export(fm(op1__decay=decay, op1__sustain=0.0, op1__attack=0.001))
    sound = play(message, 84, hold=decay + 1, seconds=decay + 0.5)
    for part in (0.2, 0.4, 0.6):
        ours = -60 * part
        assert level_db(sound, part * decay) - level_db(sound, 0.012) == pytest.approx(
            ours + 60 * 0.011 / decay, abs=2.5
        )


@pytest.mark.parametrize("release", [0.05, 0.3, 2.0])
def test_release_is_within_fifteen_percent(release):
    message, _ = export(fm(op1__release=release))
    sound = play(message, 84, hold=0.5, seconds=0.5 + release)
    early, late = 0.5 + 0.2 * release, 0.5 + 0.7 * release
    measured = 60 / ((level_db(sound, early) - level_db(sound, late)) / (late - early))
    assert measured == pytest.approx(release, rel=0.15)


@pytest.mark.parametrize("sustain", [0.1, 0.3, 0.8])
def test_sustain_is_within_one_db(sustain):
    sound = play(export(fm(op1__sustain=sustain, op1__decay=0.3))[0], 84, hold=2.0, seconds=1.9)
    full = level_db(play(export(fm())[0], 84), 0.5)
    assert level_db(sound, 1.5) - full == pytest.approx(20 * np.log10(sustain), abs=1.0)


def test_feedback_brightens_as_ours():
    """Second harmonic over the first of sin(φ + β·y), solved sample by sample."""
    beta = 0.8
    sound = play(export(fm(matrix__1__1=beta))[0], 57)[4410:][: RATE // 2]
    phase = 2 * np.pi * np.arange(0, 1, 1 / 4096)
    ours = np.zeros_like(phase)
    for _ in range(200):
        ours = np.sin(phase + beta * ours)
    wanted = np.abs(np.fft.rfft(ours))
    found = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert 20 * np.log10(found[220] / found[110] / (wanted[2] / wanted[1])) == pytest.approx(0, abs=3)


@pytest.mark.parametrize("semitones", [12.0, -12.0])
def test_sweep_starts_away_and_arrives(semitones):
    sound = play(export(fm(pitch__sweep=semitones, pitch__decay=0.3))[0], 72, hold=3.0, seconds=2.9)
    note = 440 * 2 ** (3 / 12)
    part = round(0.3 * RATE)
    middle = peak_hz(sound[part - 600 : part + 600])
    assert cents(middle, note) == pytest.approx(100 * semitones / np.e, abs=120)
    assert abs(cents(peak_hz(sound[round(2.3 * RATE) :]), note)) < 10


def test_velocity_lowers_the_level():
    def fall(amount: float) -> float:
        message = export(fm(velocity__amount=amount))[0]
        return level_db(play(message, 72, 100), 0.5) - level_db(play(message, 72, 50), 0.5)

    assert fall(0.0) == pytest.approx(0.0, abs=0.1)
    assert fall(1.0) == pytest.approx(12.0, abs=3.0)
    assert fall(1.0) > fall(0.5) > 0.5
