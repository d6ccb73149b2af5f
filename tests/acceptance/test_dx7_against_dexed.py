"""Our DX7 against Dexed's engine: the same samples, voice by voice and operator by operator."""

import numpy as np
import pytest
import torch

from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.synths.dx7_parameters import dx7_parameters

dexed = pytest.importorskip("dexed", reason="dexed-py isn't installed: pip install dexed-py")

DECLARED = dx7_parameters()
HOLD, SECONDS = 0.6, 1.0
# 24 bits of phase and 16 of envelope, as float32
EXACT = 1e-6


def random_voice(rng: np.random.Generator, **fixed: int) -> dict[str, int]:
    drawn = {p.name: int(rng.integers(0, int(p.high) + 1)) for p in DECLARED}
    return {**drawn, **{name.replace("__", "."): value for name, value in fixed.items()}}


def dexed_operators(voice: dict[str, int], note: int, velocity: int, rate: int) -> np.ndarray:
    """``[7, T]``: operators 1 to 6 and the mix."""
    synth = dexed.DexedSynth(rate)
    synth.load_patch(dexed.Patch.from_sysex(bytes(voice[p.name] for p in DECLARED) + b"INIT VOICE"))
    return np.asarray(synth.render_all_ops(note, velocity, HOLD, SECONDS))


def our_operators(voice: dict[str, int], note: int, velocity: int, rate: int) -> np.ndarray:
    values = {name: torch.tensor([[float(value)]]) for name, value in voice.items()}
    samples, held = round(SECONDS * rate), round(HOLD * rate)
    key = {"note": note, "velocity": velocity, "samples": samples, "held": held, "rate": rate}
    mix, each = DX7Synth().voice(values, **key, each=True)
    assert each is not None
    return torch.cat([each[0], mix]).numpy()


def furthest(voice: dict[str, int], note: int, velocity: int, rate: int) -> float:
    return float(
        np.abs(dexed_operators(voice, note, velocity, rate) - our_operators(voice, note, velocity, rate)).max()
    )


@pytest.mark.parametrize("rate", [44_100, 24_000])
def test_random_voices_are_sample_exact(rate):
    rng = np.random.default_rng(rate)
    for _ in range(60):
        voice, note, velocity = random_voice(rng), int(rng.choice([36, 60, 84])), int(rng.choice([1, 60, 110, 127]))
        assert furthest(voice, note, velocity, rate) < EXACT, (voice, note, velocity)


@pytest.mark.parametrize("algorithm", range(32), ids=lambda a: f"algorithm {a + 1}")
def test_every_algorithm_with_and_without_feedback(algorithm):
    rng = np.random.default_rng(algorithm)
    for feedback in (0, 4, 7):
        voice = random_voice(rng, algorithm=algorithm, feedback=feedback, lfo__amp_depth=0, lfo__pitch_depth=0)
        voice |= {f"op{i}.output_level": 95 for i in range(1, 7)} | {f"op{i}.level1": 99 for i in range(1, 7)}
        assert furthest(voice, 60, 100, 44_100) < EXACT


@pytest.mark.parametrize("wave", range(6))
@pytest.mark.parametrize("delay", [0, 1, 40, 99])
def test_lfo(wave, delay):
    rng = np.random.default_rng(10 * wave + delay)
    deep = {"lfo__pitch_depth": 60, "lfo__amp_depth": 90, "pitch_mod_sensitivity": 5}
    voice = random_voice(rng, lfo__wave=wave, lfo__delay=delay, lfo__speed=70, **deep)
    assert furthest(voice, 60, 100, 44_100) < EXACT


def test_what_is_tuned_is_what_is_exported():
    """A patch between the grid's points: rounded once, the same here and in the exported message."""
    from sds_bridge.formats.dx7_voice import export

    synth = DX7Synth()
    generator = torch.Generator().manual_seed(3)
    positions = {p.name: torch.rand(1, 1, generator=generator) for p in DECLARED}
    positions["algorithm"] = torch.full((1, 1), 4 / 31)
    positions["transpose"] = torch.full((1, 1), 0.5)
    message, report = export(synth.patch_of(positions, name="BETWEEN", note=60))
    player = dexed.DexedSynth(44_100)
    player.load_patch(dexed.Patch.from_sysex(message[6:-2]))
    theirs = np.asarray(player.render(60, 100, HOLD, SECONDS))
    ours = synth.render(synth.values_at(positions), note=60, velocity=100, seconds=SECONDS, hold=HOLD, rate=44_100)
    assert np.abs(ours[0, 0].numpy() - theirs).max() < EXACT
    assert report == []
