"""What a step costs beside what its prior alone costs: the same batch, alternating, in one run.

Twice: the paper's multiscale spectrogram SDS with three denoising steps, and the draft profile's classifier update,
which takes one denoising step and decodes the mean of its targets instead of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from sds_bridge.distillation import timesteps
from sds_bridge.distillation.guidance import guided_denoise
from sds_bridge.distillation.loop import Tensors
from sds_bridge.distillation.optimise import Run, optimise
from sds_bridge.distillation.profiles import PROFILES, Settings
from sds_bridge.priors import catalog
from sds_bridge.tasks import tune
from sds_bridge.tasks.requests import TuneRequest
from sds_bridge.tasks.stage import Stage, window_seconds

ROUNDS = 12


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


DRAFT = PROFILES["draft"]
SDS = replace(DRAFT, update="multiscale", denoising_steps=3)


def measure() -> list[tuple[str, str]]:
    """Rows of the report for both updates."""
    return [*rows(SDS, "SDS"), *rows(DRAFT, "classifier")]


def rows(settings: Settings, title: str, synth_name: str = "fm", rounds: int = ROUNDS) -> list[tuple[str, str]]:
    """Median seconds of encode, guided denoise and decode at the settings' batch, and of a whole step
    (render, encode, noise, K × denoise, decode, loss, gradient, Adam)."""
    prior = catalog.load("starter")
    request = TuneRequest(prompt="kick drum", synth=synth_name)
    synth, start, reference_note = tune.beginning(request)
    stage = Stage(synth, prior, request.note, window_seconds(prior), 0, reference_note)
    prompt, without = prior.embed("kick drum", stage.seconds), prior.embed(None, stage.seconds)
    with torch.no_grad():
        one = stage.for_prior(start)
        batch = one.expand(settings.batch, -1, -1)
        z = prior.encode(batch)
    t = timesteps.draw("uniform", settings.batch, 0.2, 0.9, 0.0, torch.Generator().manual_seed(0))

    def denoise() -> torch.Tensor:
        return guided_denoise(prior, z, t, prompt, without, settings.guidance, settings.rescale)

    def loss(step: int, positions: Tensors, generator: torch.Generator) -> torch.Tensor:
        return tune.sds_loss(stage, settings, prompt, without, step, positions, generator)

    stamps: list[float] = []

    def steps() -> None:
        stamps.append(time.perf_counter())
        run = Run(start=start, loss=loss, steps=1, learning_rate=0.01, seed=len(stamps))
        optimise(run, lambda *_: None, lambda: False)
        stamps.append(time.perf_counter())

    parts: dict[str, list[float]] = {"encode": [], "denoise": [], "decode": [], "step": []}
    for round_number in range(rounds + 2):
        with torch.no_grad():
            found = {
                "encode": timed(lambda: prior.encode(batch)),
                "denoise": timed(denoise),
                "decode": timed(lambda: prior.decode(z, reference=batch)),
            }
        found["step"] = timed(steps)
        if round_number >= 2:
            for name, seconds in found.items():
                parts[name].append(seconds)
    m = {name: median(values) for name, values in parts.items()}
    alone = m["encode"] + settings.denoising_steps * m["denoise"] + m["decode"]
    return [
        *(
            (f"prior's {name}, batch {settings.batch}", f"{m[name] * 1000:.0f} ms")
            for name in ("encode", "denoise", "decode")
        ),
        (f"{title} step ({synth_name}, K = {settings.denoising_steps})", f"{m['step'] * 1000:.0f} ms"),
        (f"{title} step ÷ (encode + K·denoise + decode)", f"{m['step'] / alone:.2f}"),
    ]
