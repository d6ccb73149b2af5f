"""Clip → stems: one latent a source, held together by the clip and each pulled by its own prompt (section 4.3).

The latents h_k minimise  Σ_m ‖S_m(clip) − S_m(Σ_k dec(h_k))‖² + γ · Σ_k ½·w·‖h_k − sg(ĥ₀,k)‖², where ĥ₀,k is
the guided estimate of h_k noised to t: the SDS gradient for a renderer that is the decoder itself.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sds_bridge import audio
from sds_bridge.distillation import timesteps, update
from sds_bridge.distillation.optimise import Run, Tensors, optimise
from sds_bridge.distillation.spectrogram import magnitude
from sds_bridge.patch import write_text
from sds_bridge.priors import catalog
from sds_bridge.priors.base import Condition, Prior
from sds_bridge.tasks import mask, windows
from sds_bridge.tasks.picture import panels
from sds_bridge.tasks.provenance import record, unknown_word_warning
from sds_bridge.tasks.requests import Progress, Report, Result, SeparateRequest, ShouldStop

REC_WINDOWS = (1024, 2048, 4096)
OVERLAP_SECONDS = 0.25
LONGEST_WINDOW = 10.0


@dataclass(frozen=True)
class Settings:
    """Draft settings for a CPU; the paper's are 1000 steps, lr 0.05, batch 10, τ 60, K 2, γ 0.02."""

    steps: int = 150
    learning_rate: float = 0.05
    guidance: float = 4.0
    rescale: float = 0.5
    denoising_steps: int = 1
    sds_weight: float = 1.0
    low: float = 0.1
    high: float = 0.95
    schedule: timesteps.Schedule = "annealed"

    def with_given(self, **given: int | float | None) -> Settings:
        """Replace what the user gave; ``None`` keeps the default."""
        return replace(self, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Problem:
    """Windows of one clip at the prior's rate: ``mix`` ``[W, channels, T]``, one prompt a source."""

    prior: Prior
    mix: torch.Tensor
    prompts: list[Condition]
    nothing: Condition
    settings: Settings

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """``[K, W, C, L]`` → ``[K, W, channels, T]``, with the clip's phase where the codec has none."""
        k, w = latents.shape[:2]
        reference = self.mix.repeat(k, 1, 1)
        return self.prior.decode(latents.flatten(0, 1), reference=reference).unflatten(0, (k, w))

    def loss(self, step: int, tensors: Tensors, generator: torch.Generator) -> torch.Tensor:
        latents = tensors["latents"]
        total = reconstruction_loss(self.decode(latents).sum(0), self.mix)
        if self.settings.sds_weight:
            total = total + self.settings.sds_weight * self.sds(step, latents, generator)
        return total

    def sds(self, step: int, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """½·mean((h − sg(ĥ₀))²) over all sources and windows, at one t a source and window."""
        s, (k, w) = self.settings, latents.shape[:2]
        flat = latents.flatten(0, 1)
        t = timesteps.draw(s.schedule, k * w, s.low, s.high, step / max(1, s.steps), generator)
        noise = torch.randn(flat.shape, generator=generator)
        prompts = self.prompts[0].expand(w)
        for prompt in self.prompts[1:]:
            prompts = prompts.then(prompt.expand(w))
        estimate = update.target(
            self.prior,
            flat.detach(),
            t,
            noise,
            prompts,
            self.nothing.expand(k * w),
            s.guidance,
            s.denoising_steps,
            s.rescale,
        )
        return 0.5 * (flat - estimate).square().mean()


def reconstruction_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Σ_m ‖S_m(mix) − S_m(Σ g_k)‖² relative to the mix's own energy in each window."""
    loss = found.new_zeros(())
    for window in REC_WINDOWS:
        a, b = magnitude(found, window), magnitude(wanted, window)
        loss = loss + ((a - b).square().sum((1, 2, 3)) / b.square().sum((1, 2, 3)).clamp(min=1e-6)).mean()
    return loss


def stem_file(number: int, prompt: str) -> str:
    """``01-saxophone.wav``."""
    return f"{number:02d}-{re.sub(r'[^a-z0-9]+', '-', prompt.lower()).strip('-')[:40] or 'stem'}.wav"


def run(request: SeparateRequest, out: Path, report: Report, should_stop: ShouldStop) -> Result:
    """Write one stem a prompt, ``residual.wav``, ``stems.png`` and ``job.json`` into ``out``."""
    clip = audio.load(request.clip)
    settings = Settings().with_given(steps=request.steps, guidance=request.guidance, sds_weight=request.sds_weight)
    prior = catalog.load(request.prior)
    warnings = [w for w in (unknown_word_warning(prior, stem) for stem in request.stems) if w]
    report(Progress(0, settings.steps, 0.0, 0.0, " ".join(warnings)))
    frames = int(min(prior.longest_seconds, LONGEST_WINDOW) * prior.sample_rate / prior.hop_length)
    window = frames * prior.hop_length
    overlap = round(OVERLAP_SECONDS * prior.sample_rate)
    whole = audio.resample(clip.samples, clip.rate, prior.sample_rate)
    mono = whole.mean(0, keepdims=True)
    heard = mono if prior.channels == 1 else np.repeat(mono, prior.channels, 0)
    level = 0.9 / max(1e-6, float(np.abs(heard).max()))
    pieces = torch.from_numpy(windows.cut(heard * level, window, overlap).astype(np.float32))
    problem = Problem(
        prior,
        pieces,
        [prior.embed(stem, window / prior.sample_rate) for stem in request.stems],
        prior.embed(None, window / prior.sample_rate),
        settings,
    )
    generator = torch.Generator().manual_seed(request.seed)
    shape = (len(request.stems), len(pieces), prior.latent_channels, frames)
    start = {"latents": torch.randn(shape, generator=generator)}
    began = time.monotonic()
    first: list[int] = []

    def on_step(step: int, loss: float, _: Tensors) -> None:
        first.append(step) if not first else None
        pace = (time.monotonic() - began) / (step - first[0] + 1)
        report(Progress(step, settings.steps, loss, pace * (settings.steps - step)))

    plan = Run(
        start=start,
        loss=problem.loss,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        seed=request.seed,
        bounded=False,
        gradient_norm=float("inf"),
        checkpoint=out / ".checkpoint.safetensors",
        identity=json.dumps([request.model_dump(), asdict(settings), prior.describe()], sort_keys=True),
    )
    outcome = optimise(plan, on_step, should_stop)
    if outcome.stopped:
        return Result(out, [], {"steps": outcome.steps}, stopped=True)
    with torch.no_grad():
        decoded = problem.decode(outcome.values["latents"]).mean(2, keepdim=True).numpy() / level
    estimates = np.stack([windows.join(piece, whole.shape[1], overlap)[0] for piece in decoded])
    estimates = audio.fit_length(
        audio.resample(estimates.astype(np.float32), prior.sample_rate, clip.rate), clip.samples.shape[1]
    )
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
    files = []
    subtype = clip.subtype if request.mode == "mask" else "FLOAT"
    for number, (prompt, stem) in enumerate(zip(request.stems, stems, strict=True), 1):
        files.append(audio.save(out / stem_file(number, prompt), stem, clip.rate, subtype))
    # the residual is what the stems as written leave over, so that the sum is exact at any bit depth
    written = sum(audio.load(f).samples.astype(np.float64) for f in files)
    residual = (clip.samples - written).astype(np.float32)
    files.append(audio.save(out / "residual.wav", residual, clip.rate, subtype))
    pictures = [("clip", clip.samples), *zip(request.stems, stems, strict=True)]
    files.append(panels(out / "stems.png", pictures, clip.rate, Path(request.clip).name))
    power = float(np.mean(clip.samples.astype(np.float64) ** 2))
    summary = {
        "residual_db": round(audio.to_decibel(float(np.sqrt(np.mean(residual**2))) / max(1e-9, power**0.5)), 2),
        "seconds": round(seconds, 2),
        "warnings": warnings,
    }
    details = record(
        prior, request, asdict(settings), rate=clip.rate, channels=clip.samples.shape[0], subtype=clip.subtype
    )
    write_text(out / "job.json", json.dumps({"task": "separate", **details, **summary}, indent=1) + "\n")
    (out / ".checkpoint.safetensors").unlink(missing_ok=True)
    return Result(out, [f.resolve() for f in [*files, out / "job.json"]], summary)
