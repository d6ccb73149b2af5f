"""Our DX7 voice beside what others offer: eight voices of two seconds at 44.1 kHz, alternating, in one run.

dexed-py is the engine that ours equals sample for sample, in C++ and without gradients. torchsynth's ``Voice`` is a
differentiable subtractive synth (two oscillators, noise, five envelopes, two LFOs) and not a DX7: it is the nearest
differentiable peer that PyPI has. DawDreamer plays a Faust program of six operators in three pairs with feedback (the
DX7's algorithm 5) without the DX7's curves or integers, compiled once; this path has no gradients. DawDreamer's other
path writes the same program as a Flax module, which has: a scan over samples, compiled by JAX, with the key down all the
time. Peers are measured where they are installed.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import torch

from sds_bridge.synths.dx7 import DX7Synth

SIX_OPERATORS = """
import("stdfaust.lib");
freq = hslider("freq", 220, 20, 8000, 0.01);
gain = hslider("gain", 0.5, 0, 1, 0.01);
gate = button("gate");
phase(ratio) = os.phasor(1, freq * ratio);
shape(decay) = en.adsr(0.005, decay, 0.5, 0.3, gate);
op(ratio, level, decay, by) = sin(2 * ma.PI * (phase(ratio) + by)) * level * shape(decay);
pair(r1, r2, level) = op(r1, 1, 1.2, op(r2, level, 0.6, 0));
fed = op(1, 1, 1.2, (op(5, 0.2, 0.4) ~ *(0.06)));
effect = _;
process = (pair(1, 1, 0.4) + pair(1, 3, 0.3) + fed) * gain / 3;
"""
ARCHITECTURES = {
    "ours": "DX7, six operators, Dexed's integers; gradients",
    "dexed-py": "DX7, six operators, Dexed's engine in C++; no gradients",
    "torchsynth Voice": "subtractive, two oscillators and noise, in torch; gradients",
    "DawDreamer-Faust": "six operators in three pairs, LLVM; no gradients on this path",
    "DawDreamer-JAX": "the same Faust program, JAX; gradients",
}
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
        from pytorch_lightning.core import module

        # where torchsynth 1.0.2, its last, looks for it
        sys.modules.setdefault("pytorch_lightning.core.lightning", module)
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


def dawdreamer() -> dict[str, Callable[[], object]]:
    try:
        import dawdreamer as daw
    except ImportError:
        return {}
    engine = daw.RenderEngine(RATE, 512)
    player = engine.make_faust_processor("voice")
    player.set_dsp_string(SIX_OPERATORS)
    player.num_voices = 1
    player.compile()
    player.add_midi_note(48, 100, 0.0, HOLD)
    engine.load_graph([(player, [])])

    def render() -> None:
        for _ in range(BATCH):
            engine.render(SECONDS)

    return {"DawDreamer-Faust, forward": render}


def dawdreamer_jax() -> dict[str, Callable[[], object]]:
    try:
        import jax
        from dawdreamer.faust import FaustContext
        from dawdreamer.faust.box import boxFromDSP, boxToSource
        from flax import linen
    except ImportError:
        return {}
    with FaustContext():
        source = boxToSource(boxFromDSP(SIX_OPERATORS), "jax", "SixOperators", ["-a", "jax/minimal.py"])
    written = _imported("six_operators", source.replace("import librosa\n", ""))  # which only reads sound files
    batched = linen.vmap(
        written.SixOperators,
        in_axes=(0, None),
        variable_axes={"params": 0, "intermediates": 0},
        split_rngs={"params": True},
    )
    voices, samples = batched(sample_rate=RATE), round(SECONDS * RATE)
    nothing = jax.numpy.zeros((BATCH, 0, samples))
    start = voices.init(jax.random.PRNGKey(0), nothing, samples)["params"]
    start = {name: jax.numpy.ones_like(value) if "gate" in name else value for name, value in start.items()}

    def sound(parameters: Any) -> Any:
        return voices.apply({"params": parameters}, nothing, samples)

    play, slope = jax.jit(sound), jax.jit(jax.grad(lambda parameters: (sound(parameters) ** 2).sum()))
    return {
        "DawDreamer-JAX, forward": lambda: play(start).block_until_ready(),
        "DawDreamer-JAX, forward + backward": lambda: jax.block_until_ready(slope(start)),
    }


def _imported(name: str, source: str) -> ModuleType:
    """A module of that text, in ``sys.modules``, where Flax looks it up."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def measure(rounds: int = ROUNDS) -> list[tuple[str, str]]:
    """Median seconds, and how many times faster than real time."""
    works = {**ours(), **dexed(), **torchsynth(), **dawdreamer(), **dawdreamer_jax()}
    spent: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if round_number:
                spent[name].append(time.perf_counter() - began)
    audio = BATCH * SECONDS
    found = [
        (f"DX7 voice: {n}", f"{median(s) * 1000:.0f} ms, {audio / median(s):.0f}× real time") for n, s in spent.items()
    ]
    for name, architecture in ARCHITECTURES.items():
        there = any(work.startswith(name) for work in works)
        found.append((f"DX7 voice: {name} is", architecture if there else "not installed, not measured"))
    return found
