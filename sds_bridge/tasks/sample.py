"""Draw sounds straight from a prior, so that a person can hear what it knows."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from sds_bridge import audio
from sds_bridge.distillation import evidence
from sds_bridge.distillation.loop import step_generator
from sds_bridge.distillation.profiles import PROFILES
from sds_bridge.distillation.update import ddim
from sds_bridge.priors import catalog
from sds_bridge.priors.base import Prior
from sds_bridge.tasks.provenance import unknown_word_warning
from sds_bridge.tasks.stage import window_seconds

PEAK = 10 ** (-1 / 20)
RESCALE = 0.7
DRAWS = 32


@torch.no_grad()
def draw(
    prior: Prior, prompt: str, seed: int, steps: int, guidance: float, negative: str = "", tries: int = 1
) -> torch.Tensor:
    """``[1, channels, T]`` of the prior's window (at most 10 s): deterministic DDIM from noise.

    σ/α falls geometrically from 100 to 0.05, so that most steps lie where the sound takes shape.

    Args:
        guidance: the paper's τ.
        steps: DDIM steps.
        tries: how many are drawn; the one that the prompt explains best (``distillation/evidence.py``) is kept.
    """
    seconds = window_seconds(prior)
    shape = torch.Size([prior.latent_channels, round(seconds * prior.sample_rate / prior.hop_length)])
    z = torch.stack([torch.randn(shape, generator=step_generator(seed, i)) for i in range(tries)])
    odds = torch.logspace(math.log10(100.0), math.log10(0.05), steps)
    times = prior.time_at(odds)[:, None].expand(steps, tries)
    prompted, without = prior.embed(prompt, seconds), prior.embed(negative or None, seconds)
    found = ddim(prior, z, times, prompted, without, guidance, RESCALE)
    if tries > 1:
        range_of_t = PROFILES["draft"].judged_low, PROFILES["draft"].high
        draws = evidence.draw(DRAWS, shape, *range_of_t, step_generator(seed, -1))
        scores = [evidence.evidence(prior, one[None], prompted, without, draws) for one in found]
        found = found[[scores.index(max(scores))]]
    return prior.decode(found)


def run(
    prior_name: str, prompt: str, out: Path, seed: int, steps: int, guidance: float, negative: str = "", tries: int = 1
) -> str | None:
    """Write one sample as WAV, its peak at −1 dBFS; returns a warning about unknown words, or None."""
    prior = catalog.load(prior_name)
    waveform = draw(prior, prompt, seed, steps, guidance, negative, tries)[0].numpy()
    peak = max(float(abs(waveform).max()), 1e-6)
    audio.save(out, waveform * (PEAK / peak), prior.sample_rate, "PCM_24")
    return unknown_word_warning(prior, prompt)
