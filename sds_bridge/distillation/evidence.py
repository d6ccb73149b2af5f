"""How far a prompt explains a sound: the prior as its own judge.

A diffusion model's denoising error bounds −log p(h | prompt) (Kingma et al. 2021, VDM), so the difference of the
errors with and without the prompt, at the same t and ε, estimates

    log p(h | prompt) − log p(h) = log p(prompt | h) + constant,

the diffusion classifier of Li et al. (arXiv 2303.16203) and Clark & Jaini (arXiv 2303.15233). What both branches get
equally wrong (a synth is never quite like a recording) cancels, and with common draws so does most of the noise.
Errors of ĥ₀ are weighted by α/σ, half-way between the ε- and the x₀-objective: the first drowns in low t, the
second in high.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sds_bridge.distillation import timesteps
from sds_bridge.priors.base import Condition, Prior


@dataclass(frozen=True)
class Draws:
    """Times ``[D]`` and noise ``[D, C, L]``, shared by all sounds that are compared."""

    t: torch.Tensor
    noise: torch.Tensor

    def __getitem__(self, which: slice) -> Draws:
        return Draws(self.t[which], self.noise[which])


def draw(count: int, shape: torch.Size, low: float, high: float, generator: torch.Generator) -> Draws:
    """``count`` draws with stratified times in random order, so that any first part of them spans the range."""
    t = timesteps.draw("stratified", count, low, high, 0.0, generator)
    return Draws(t, torch.randn(count, *shape, generator=generator))


@torch.no_grad()
def evidence(prior: Prior, latents: torch.Tensor, prompt: Condition, without: Condition, draws: Draws) -> float:
    """Mean of α/σ · (‖ĥ₀(∅) − h‖² − ‖ĥ₀(prompt) − h‖²) over draws and elements; more is better.

    Args:
        latents: of one sound, ``[1, C, L]``.
        without: the empty or the negative prompt.
    """
    count = len(draws.t)
    alpha, sigma = prior.alpha_sigma(draws.t)
    z = alpha * latents + sigma * draws.noise
    both = prompt.expand(count).then(without.expand(count))
    estimate = prior.denoise(torch.cat([z, z]), torch.cat([draws.t, draws.t]), both)
    error = (estimate - latents).square().mean((1, 2)) * (alpha / sigma).flatten().repeat(2)
    return float((error[count:] - error[:count]).mean())
