"""Our DX7 voice beside what others offer: eight voices of two seconds at 44.1 kHz, alternating, in one run.

dexed-py is the engine that ours equals sample for sample, in C++ and without gradients. torchsynth's ``Voice`` is a
differentiable subtractive synth (two oscillators, noise, five envelopes, two LFOs) and not a DX7: it is the nearest
differentiable peer that PyPI has. Both are measured when they are installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from sds_bridge.synths.dx7 import DX7Synth

BATCH, SECONDS, HOLD, RATE, ROUNDS = 8, 2.0, 1.5, 44_100, 7


def ours() -> dict[str, Callable[[], object]]:
    synth = DX7Synth()
    positions = {name: value.clone().requires_grad_(True) for name, value in synth.starting_positions(BATCH, 0).items()}

    def render() -> torch.Tensor:
        values = synth.values_at(positions)
        return synth.render(values, note=48, velocity=100, seconds=SECONDS, hold=HOLD, rate=RATE)

    def forward() -> None:
        with torch.no_grad():
            render()

    def both() -> None:
        torch.autograd.grad(render().square().sum(), list(positions.values()), allow_unused=True)

    return {"ours, forward": forward, "ours, forward + backward": both}


def dexed() -> dict[str, Callable[[], object]]:
    try:
        import dexed as engine
    except ImportError:
        return {}
    from sds_bridge.formats.dx7_sysex import to_bytes
    from sds_bridge.formats.dx7_voice import voice_of

    synth = DX7Synth()
    start = synth.starting_positions(BATCH, 0)
    voices = [to_bytes(voice_of(synth.patch_of(start, name="BENCH", note=48, row=row))) for row in range(BATCH)]
    player = engine.DexedSynth(RATE)

    def render() -> None:
        for voice in voices:
            player.load_patch(engine.Patch.from_sysex(voice))
            player.render(48, 100, HOLD, SECONDS)

    return {"dexed-py, forward": render}


def torchsynth() -> dict[str, Callable[[], object]]:
    try:
        from torchsynth.config import SynthConfig
        from torchsynth.synth import Voice
    except ImportError:
        return {}
    config = SynthConfig(batch_size=BATCH, buffer_size_seconds=SECONDS, sample_rate=RATE, reproducible=False)
    voice = Voice(config)
    voice.randomize(seed=0)
    parameters = [p for p in voice.parameters() if p.requires_grad]

    def forward() -> None:
        with torch.no_grad():
            voice.output()

    def both() -> None:
        torch.autograd.grad(voice.output().square().sum(), parameters, allow_unused=True)

    return {"torchsynth Voice, forward": forward, "torchsynth Voice, forward + backward": both}


def measure(rounds: int = ROUNDS) -> list[tuple[str, str]]:
    """Median seconds, and how many times faster than real time."""
    works = {**ours(), **dexed(), **torchsynth()}
    spent: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if round_number:
                spent[name].append(time.perf_counter() - began)
    audio = BATCH * SECONDS
    return [
        (f"DX7 voice: {n}", f"{median(s) * 1000:.0f} ms, {audio / median(s):.0f}× real time") for n, s in spent.items()
    ]
