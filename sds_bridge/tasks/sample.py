"""Draw sounds straight from a prior, so that a person can hear what it knows."""

from __future__ import annotations

from pathlib import Path

import torch

from sds_bridge import audio
from sds_bridge.distillation.update import ddim
from sds_bridge.priors import catalog
from sds_bridge.tasks.provenance import unknown_word_warning

PEAK = 10 ** (-1 / 20)


@torch.no_grad()
def draw(
    prior_name: str, prompt: str, seed: int, steps: int, guidance: float, negative: str = "", count: int = 1
) -> torch.Tensor:
    """``[count, channels, T]`` of the prior's window (at most 10 s): deterministic DDIM from noise, t from 0.999.

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
    t = torch.full((count,), 0.999)
    prompted, without = prior.embed(prompt, seconds), prior.embed(negative or None, seconds)
    return prior.decode(ddim(prior, z, t, prompted, without, guidance, steps, rescale=0.5))


def run(
    prior_name: str, prompt: str, out: Path, seed: int, steps: int, guidance: float, negative: str = ""
) -> str | None:
    """Write one sample as WAV, its peak at −1 dBFS; returns a warning about unknown words, or None."""
    prior = catalog.load(prior_name)
    waveform = draw(prior_name, prompt, seed, steps, guidance, negative)[0].numpy()
    peak = max(float(abs(waveform).max()), 1e-6)
    audio.save(out, waveform * (PEAK / peak), prior.sample_rate, "PCM_24")
    return unknown_word_warning(prior, prompt)
