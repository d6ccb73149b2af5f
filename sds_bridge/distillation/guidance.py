"""The only classifier-free guidance in this project.

Convention: the paper's τ. With ε_p the prediction under the prompt and ε_∅ the one without (or under the
negative prompt),

    ε̂ = (1 + τ)·ε_p − τ·ε_∅,

so τ = 0 is the plain conditional model; diffusers' ``guidance_scale`` is 1 + τ. Since ε̂ = (z − α·x̂₀)/σ is
affine in x̂₀ with coefficients that sum to the same z, the same mixture holds for x̂₀, which is what priors give.
"""

from __future__ import annotations

import torch

from sds_bridge.priors.base import Condition, Prior


def mix(with_prompt: torch.Tensor, without: torch.Tensor, tau: float, rescale: float = 0.0) -> torch.Tensor:
    """(1 + τ)·with − τ·without.

    Args:
        rescale: 0…1, how far each item's standard deviation is brought back to that of ``with_prompt``
            (Lin et al. 2024, section 3.4), which keeps a τ of 15–60 from overdriving x̂₀.
    """
    guided = with_prompt + tau * (with_prompt - without)
    if rescale == 0.0:
        return guided
    dims = tuple(range(1, guided.ndim))
    ratio = with_prompt.std(dims, keepdim=True) / guided.std(dims, keepdim=True).clamp(min=1e-6)
    return guided * (1 - rescale + rescale * ratio)


def guided_denoise(
    prior: Prior,
    z: torch.Tensor,
    t: torch.Tensor,
    prompt: Condition,
    without: Condition,
    tau: float,
    rescale: float = 0.0,
) -> torch.Tensor:
    """x̂₀ under guidance, both branches in one batch. ``without`` is the empty or the negative prompt."""
    prompt = prompt if prompt.batch == len(z) else prompt.expand(len(z))
    if tau == 0.0:
        return prior.denoise(z, t, prompt)
    without = without if without.batch == len(z) else without.expand(len(z))
    both = prior.denoise(torch.cat([z, z]), torch.cat([t, t]), prompt.then(without))
    return mix(both[: len(z)], both[len(z) :], tau, rescale)
