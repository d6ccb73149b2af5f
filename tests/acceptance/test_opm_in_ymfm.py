"""The YM2151's laws as we state them, against ymfm's chip."""

import numpy as np
import pytest
from scipy.special import jv

from sds_bridge.formats import opm_laws as laws
from sds_bridge.formats.opm_voice import Operator, Voice
from sds_bridge.tasks.engines import ymfm
from sds_bridge.tasks.engines.base import RATE

pytest.importorskip("ymfm", reason="ymfm-py isn't installed: pip install ymfm-py")

SILENT = Operator()
LOUD = Operator(tl=0)


def play(
    operators: dict[int, Operator], connection: int = 7, feedback: int = 0, note: int = 69, **options
) -> np.ndarray:
    voice = Voice("", connection, feedback, tuple(operators.get(i, SILENT) for i in range(4)))
    return ymfm.play(voice, note, **options)


def spectrum_of(sound: np.ndarray) -> np.ndarray:
    """Magnitudes at 2 Hz a bin of half a second from 0.1 s on."""
    part = sound[RATE // 10 :][: RATE // 2]
    return np.abs(np.fft.rfft(part * np.hanning(len(part)))) * 4 / len(part)


@pytest.mark.parametrize("note", [24, 36, 60, 69, 84, 108])
def test_key_codes_are_in_tune(note):
    spectrum = np.abs(np.fft.rfft(play({3: LOUD}, note=note)[:RATE], 8 * RATE))
    assert abs(1200 * np.log2(spectrum.argmax() / 8 / (440 * 2 ** ((note - 69) / 12)))) < 3


@pytest.mark.parametrize("dt2", range(4))
def test_coarse_detune_is_as_tabled(dt2):
    spectrum = np.abs(np.fft.rfft(play({3: Operator(tl=0, dt2=dt2)})[:RATE], 8 * RATE))
    assert 1200 * np.log2(spectrum.argmax() / 8 / 440) == pytest.approx(laws.DT2_CENTS[dt2], abs=2)


@pytest.mark.parametrize("level", [16, 24, 32])
def test_modulation_index_law(level):
    """M1 at half the frequency of C1: sidebands are Bessel functions, those below zero fold back."""
    spectrum = spectrum_of(play({0: Operator(tl=level, mul=0), 1: LOUD}, connection=4))
    index = laws.FULL_INDEX * 10 ** (-laws.TL_DB * level / 20)
    wanted = [abs(jv(n - 2, index) - jv(-n - 2, index)) for n in range(1, 12)]
    assert spectrum[[110 * n for n in range(1, 12)]] / 0.2495 == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("algorithm", laws.CONNECTIONS, ids=lambda a: f"connection {a.number - 1}")
def test_connections_are_the_chips(algorithm):
    """An operator is heard by itself where it is a carrier; it adds sidebands to whom it modulates."""
    for one in range(4):
        sounds = np.abs(play({one: LOUD}, algorithm.number - 1)).max() > 0.1
        assert sounds == (one in algorithm.carriers)
    for to in algorithm.carriers:
        alone = play({to: LOUD}, algorithm.number - 1)
        for by in set(range(4)) - set(algorithm.carriers):
            both = play({to: LOUD, by: Operator(tl=24, mul=3)}, algorithm.number - 1)
            assert (np.abs(both - alone).max() > 0.01) == (to in algorithm.targets[by])


@pytest.mark.parametrize("rate", [6, 10, 14, 16])
def test_fall_law(rate):
    sound = play({3: Operator(tl=0, d1r=rate, d1l=15)}, hold=2.0)
    speed = laws.fall_rate(laws.effective_rate(rate, 69))
    first, last = 0.02, min(1.9, 50 / speed)
    level = [20 * np.log10(np.sqrt(2 * np.mean(sound[round(t * RATE) :][:1002] ** 2))) for t in (first, last)]
    assert (level[0] - level[1]) / (last - first) == pytest.approx(speed, rel=0.05)


@pytest.mark.parametrize("rate", [8, 12, 16])
def test_attack_law(rate):
    sound = np.abs(play({3: Operator(tl=0, ar=rate)}))
    half = float(np.argmax(sound > 0.5 * sound.max())) / RATE
    speed = laws.steps_per_second(laws.effective_rate(rate, 69))
    assert half == pytest.approx(laws.HALF_ATTACK / speed, rel=0.1)
