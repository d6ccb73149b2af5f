"""Clip → stems: one latent a source, held together by the clip and each pulled by its own prompt.

``mask`` alternates SDS steps with the projection onto the clip (``distillation/consistency.py``) and masks the
clip itself; ``latent`` is the paper's section 4.3 (``distillation/reconstruction.py``), whose stems come out of the
decoder and leave the rest of the clip in the residual.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from sds_bridge import audio
from sds_bridge.distillation.consistency import Sources
from sds_bridge.distillation.loop import Checkpoint, OnStep, Outcome, Tensors, loop
from sds_bridge.distillation.optimise import Run, optimise
from sds_bridge.distillation.profiles import with_given
from sds_bridge.distillation.reconstruction import Problem
from sds_bridge.patch import write_text
from sds_bridge.priors import catalog
from sds_bridge.priors.base import Condition, Prior
from sds_bridge.tasks import mask, windows
from sds_bridge.tasks.picture import panels
from sds_bridge.tasks.provenance import note, record, unknown_word_warning
from sds_bridge.tasks.requests import Progress, Report, Result, SeparateRequest, ShouldStop, stepwise

OVERLAP_SECONDS = 0.25
LONGEST_WINDOW = 10.0


@dataclass(frozen=True)
class Settings:
    """``sds_weight`` is γ. The paper's ``latent`` settings are 1000 steps, batch 10, τ 60, K 2, γ 0.02."""

    steps: int
    guidance: float
    sds_weight: float
    rescale: float
    low: float
    high: float


SETTINGS = {
    "mask": Settings(steps=40, guidance=3.0, sds_weight=1.0, rescale=0.5, low=0.4, high=0.98),
    "latent": Settings(steps=150, guidance=4.0, sds_weight=1.0, rescale=0.5, low=0.1, high=0.95),
}


@dataclass(frozen=True)
class Windows:
    """A clip as the prior hears it: ``mix`` ``[W, channels, T]`` at its rate, scaled by ``level``."""

    prior: Prior
    mix: torch.Tensor
    length: int
    overlap: int
    level: float

    @classmethod
    def of(cls, clip: audio.Clip, prior: Prior) -> Windows:
        frames = int(min(prior.longest_seconds, LONGEST_WINDOW) * prior.sample_rate / prior.hop_length)
        overlap = round(OVERLAP_SECONDS * prior.sample_rate)
        mono = audio.resample(clip.samples, clip.rate, prior.sample_rate).mean(0, keepdims=True)
        level = 0.9 / max(1e-6, float(np.abs(mono).max()))
        pieces = windows.cut(np.repeat(mono, prior.channels, 0) * level, frames * prior.hop_length, overlap)
        return cls(prior, torch.from_numpy(pieces.astype(np.float32)), mono.shape[1], overlap, level)

    @property
    def seconds(self) -> float:
        return self.mix.shape[2] / self.prior.sample_rate

    def join(self, waves: torch.Tensor, clip: audio.Clip) -> np.ndarray:
        """``[K, W, channels, T]`` → mono estimates ``[K, length]`` at the clip's own rate and length."""
        mono = waves.mean(2, keepdim=True).numpy() / self.level
        joined = np.stack([windows.join(piece, self.length, self.overlap)[0] for piece in mono]).astype(np.float32)
        return audio.fit_length(audio.resample(joined, self.prior.sample_rate, clip.rate), clip.samples.shape[1])


def distil(
    request: SeparateRequest,
    settings: Settings,
    heard: Windows,
    checkpoint: Checkpoint,
    on_step: OnStep,
    should_stop: Callable[[], bool],
) -> tuple[Outcome, torch.Tensor]:
    """Run the mode's loop; the outcome and each source's windows ``[K, W, channels, T]``."""
    prior = heard.prior
    prompts: list[Condition] = [prior.embed(stem, heard.seconds) for stem in request.stems]
    nothing = prior.embed(None, heard.seconds)
    shape = (len(prompts), len(heard.mix), prior.latent_channels, heard.mix.shape[2] // prior.hop_length)
    start: Tensors = {"latents": torch.randn(shape, generator=torch.Generator().manual_seed(request.seed))}
    s = settings
    if request.mode == "mask":
        sources = Sources(
            prior, heard.mix, prompts, nothing, s.steps, min(1.0, s.sds_weight), s.guidance, s.rescale, s.low, s.high
        )
        outcome = loop(start, sources.advance, s.steps, request.seed, on_step, should_stop, checkpoint)
        with torch.no_grad():
            return outcome, sources.shares(outcome.values["latents"])
    problem = Problem(prior, heard.mix, prompts, nothing, s.steps, s.sds_weight, s.guidance, s.rescale, s.low, s.high)
    run = Run(
        start=start,
        loss=problem.loss,
        steps=s.steps,
        learning_rate=0.05,
        seed=request.seed,
        bounded=False,
        gradient_norm=float("inf"),
        checkpoint=checkpoint.path,
        identity=checkpoint.identity,
    )
    outcome = optimise(run, on_step, should_stop)
    with torch.no_grad():
        return outcome, problem.decode(outcome.values["latents"])


def stem_file(number: int, prompt: str) -> str:
    """``01-saxophone.wav``."""
    return f"{number:02d}-{re.sub(r'[^a-z0-9]+', '-', prompt.lower()).strip('-')[:40] or 'stem'}.wav"


def run(request: SeparateRequest, out: Path, report: Report, should_stop: ShouldStop) -> Result:
    """Write one stem a prompt, ``residual.wav``, ``stems.png`` and ``job.json`` into ``out``."""
    clip = audio.load(request.clip)
    settings = with_given(
        SETTINGS[request.mode], steps=request.steps, guidance=request.guidance, sds_weight=request.sds_weight
    )
    prior = catalog.load(request.prior)
    warnings = [w for w in (unknown_word_warning(prior, stem) for stem in request.stems) if w]
    report(Progress(0, settings.steps, 0.0, 0.0, " ".join(warnings)))
    began = time.monotonic()
    identity = json.dumps([request.model_dump(), asdict(settings), prior.describe()], sort_keys=True)
    heard = Windows.of(clip, prior)
    checkpoint = Checkpoint(out / ".checkpoint.safetensors", identity)
    outcome, waves = distil(request, settings, heard, checkpoint, stepwise(report, settings.steps), should_stop)
    if outcome.stopped:
        return Result(out, [], {"steps": outcome.steps}, stopped=True)
    estimates = heard.join(waves, clip)
    if request.mode == "mask":
        stems = mask.project(clip.samples, estimates, clip.rate, prior.sample_rate / 2)
    else:
        stems = np.repeat(estimates[:, None], clip.samples.shape[0], 1)
    seconds = time.monotonic() - began
    return _write(request, settings, prior, clip, stems.astype(np.float32), out, seconds, warnings)


def _write(
    request: SeparateRequest,
    settings: Settings,
    prior: Prior,
    clip: audio.Clip,
    stems: np.ndarray,
    out: Path,
    seconds: float,
    warnings: list[str],
) -> Result:
    details = record(
        prior, request, asdict(settings), rate=clip.rate, channels=clip.samples.shape[0], subtype=clip.subtype
    )
    told = note("separate", details)
    files = []
    subtype = clip.subtype if request.mode == "mask" else "FLOAT"
    for number, (prompt, stem) in enumerate(zip(request.stems, stems, strict=True), 1):
        files.append(audio.save(out / stem_file(number, prompt), stem, clip.rate, subtype, told))
    # the residual is what the stems as written leave over, so that the sum is exact at any bit depth
    written = sum(audio.load(f).samples.astype(np.float64) for f in files)
    residual = (clip.samples - written).astype(np.float32)
    files.append(audio.save(out / "residual.wav", residual, clip.rate, subtype, told))
    pictures = [("clip", clip.samples), *zip(request.stems, stems, strict=True)]
    files.append(panels(out / "stems.png", pictures, clip.rate, Path(request.clip).name, told))
    power = float(np.mean(clip.samples.astype(np.float64) ** 2))
    summary = {
        "residual_db": round(audio.to_decibel(float(np.sqrt(np.mean(residual**2))) / max(1e-9, power**0.5)), 2),
        "seconds": round(seconds, 2),
        "warnings": warnings,
    }
    write_text(out / "job.json", json.dumps({"task": "separate", **details, **summary}, indent=1) + "\n")
    (out / ".checkpoint.safetensors").unlink(missing_ok=True)
    return Result(out, [f.resolve() for f in [*files, out / "job.json"]], summary)
