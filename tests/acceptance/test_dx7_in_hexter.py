"""A second opinion on our DX7, which equals Dexed's: hexter, made by ear and by measuring, apart from Dexed's engine.

The two agree on pitches, levels and decays. They don't on detune, up to 8 cents at its ends, nor on how far velocity
reaches; there we are with Dexed.
"""

import hexter
import numpy as np
import pytest
import torch

from sds_bridge.formats.dx7_bank import pack
from sds_bridge.formats.dx7_voice import voice_of
from sds_bridge.host.distance import log_spectral_distance
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7 import DX7Synth

pytestmark = pytest.mark.skipif(not hexter.LIBRARY.exists(), reason="hexter isn't installed: apt-get install hexter")
SYNTH, RATE = DX7Synth(), 44_100


def both(patch: Patch, note: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Ours, and hexter's."""
    theirs = hexter.play(pack(voice_of(patch)), note, 100, hold=0.9, seconds=1.0, rate=RATE)
    with torch.no_grad():
        ours = SYNTH.dry(SYNTH.values_from(patch), note=note, velocity=100, seconds=1.0, hold=0.9, rate=RATE)[0].numpy()
    return ours.astype(float), theirs.astype(float)


def one_operator(**values: float) -> Patch:
    start = {p.name: float(p.default) for p in SYNTH.parameters}
    return Patch(synth="dx7", parameters=start | {name.replace("__", "."): v for name, v in values.items()})


def loudness(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2)))


def hertz(sound: np.ndarray) -> float:
    """Of the loudest partial, between the spectrum's lines by a parabola."""
    lines = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18)) + 1e-12)
    top = int(lines.argmax())
    left, middle, right = lines[top - 1 : top + 2]
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / (1 << 18)


@pytest.mark.parametrize("note", [36, 60, 84])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"op1__coarse": 0},
        {"op1__coarse": 3},
        {"op1__fine": 37},
        {"op1__fixed_frequency": 1, "op1__coarse": 2, "op1__fine": 64},
        {"transpose": 12},
    ],
)
def test_pitches(values, note):
    ours, theirs = both(one_operator(**values), note)
    assert 1200 * abs(np.log2(hertz(ours) / hertz(theirs))) < 1.0


def test_output_levels():
    ours, theirs = zip(*(both(one_operator(op1__output_level=level)) for level in (99, 80, 60, 40)), strict=True)
    steps = [np.diff([loudness(sound) for sound in sounds]) for sounds in (ours, theirs)]
    assert steps[0].max() < -10 and np.abs(steps[0] - steps[1]).max() < 0.1


@pytest.mark.parametrize("rate", [30, 50])
def test_decays(rate):
    sounds = both(one_operator(op1__rate2=rate, op1__level2=0, op1__level3=0))
    ours, theirs = (loudness(sound[30_000:32_000]) - loudness(sound[2_000:4_000]) for sound in sounds)
    assert ours < -3 and ours == pytest.approx(theirs, rel=0.1)


def test_whole_voices_are_nearer_than_others_are():
    pairs = []
    for seed in range(24):
        patch = SYNTH.patch_of(SYNTH.varied_positions(1, seed), name="X", note=60)
        agreed = {"detune": 7.0, "velocity_sensitivity": 0.0}
        for name in patch.parameters:
            patch.parameters[name] = agreed.get(name.partition(".")[2], patch.parameters[name])
        pairs.append(both(patch))
    heard = [(ours, theirs) for ours, theirs in pairs if loudness(ours) > -60]
    assert len(heard) > 15

    def apart(theirs: list[np.ndarray]) -> float:
        """Of ours, at the same loudness, in the median."""
        ours = [sound for sound, _ in heard]
        levelled = [t * 10 ** ((loudness(o) - loudness(t)) / 20) for o, t in zip(ours, theirs, strict=True)]
        return float(np.median([log_spectral_distance(o, t) for o, t in zip(ours, levelled, strict=True)]))

    theirs = [sound for _, sound in heard]
    own, others = apart(theirs), apart(theirs[1:] + theirs[:1])
    print(f"hexter's own {own:.1f} dB, another voice's {others:.1f} dB")
    assert own < 5.0 and others > 3 * own
