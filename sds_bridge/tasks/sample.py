"""Draw sounds straight from a prior, so that a person can hear what it knows."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from sds_bridge import audio
from sds_bridge.distillation.update import ddim
from sds_bridge.priors import catalog
from sds_bridge.tasks.provenance import unknown_word_warning

PEAK = 10 ** (-1 / 20)
RESCALE = 0.7


@torch.no_grad()
def draw(
    prior_name: str, prompt: str, seed: int, steps: int, guidance: float, negative: str = "", count: int = 1
) -> torch.Tensor:
    """``[count, channels, T]`` of the prior's window (at most 10 s): deterministic DDIM from noise.

    σ/α falls geometrically from 100 to 0.05, so that most steps lie where the sound takes shape.

    Args:
        guidance: the paper's τ.
        steps: DDIM steps.
    """
    prior = catalog.load(prior_name)
    frames = int(min(prior.longest_seconds, 10.0) * prior.sample_rate / prior.hop_length)
    seconds = frames * prior.hop_length / prior.sample_rate
    z = torch.stack(
        [
            torch.randn(prior.latent_channels, frames, generator=torch.Generator().manual_seed(seed + i))
            for i in range(count)
        ]
    )
    odds = torch.logspace(math.log10(100.0), math.log10(0.05), steps)
    times = prior.time_at(odds)[:, None].expand(steps, count)
    prompted, without = prior.embed(prompt, seconds), prior.embed(negative or None, seconds)
    return prior.decode(ddim(prior, z, times, prompted, without, guidance, RESCALE))


def run(
    prior_name: str, prompt: str, out: Path, seed: int, steps: int, guidance: float, negative: str = ""
) -> str | None:
    """Write one sample as WAV, its peak at −1 dBFS; returns a warning about unknown words, or None."""
    prior = catalog.load(prior_name)
    waveform = draw(prior_name, prompt, seed, steps, guidance, negative)[0].numpy()
    peak = max(float(abs(waveform).max()), 1e-6)
    audio.save(out, waveform * (PEAK / peak), prior.sample_rate, "PCM_24")
    return unknown_word_warning(prior, prompt)
