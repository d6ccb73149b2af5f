"""The paper's separation: descend on the latents through the decoder (Audio-SDS, section 4.3, eq. 12–13).

The latents h_k minimise Σ_m ‖S_m(mix) − S_m(Σ_k dec(h_k))‖² + γ·Σ_k ½·‖h_k − sg(ĥ₀,k)‖², where ĥ₀,k is the
guided estimate of h_k noised to t: the SDS gradient for a renderer that is the decoder itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sds_bridge.distillation import timesteps, update
from sds_bridge.distillation.loop import Tensors
from sds_bridge.distillation.spectrogram import magnitude
from sds_bridge.priors.base import Condition, Prior, together

REC_WINDOWS = (1024, 2048, 4096)
DENOISING_STEPS = 2


@dataclass(frozen=True)
class Problem:
    """Windows of one clip at the prior's rate, ``mix`` ``[W, channels, T]``, and one prompt a source.

    Args:
        weight: γ.
        low, high: range of t, annealed.
    """

    prior: Prior
    mix: torch.Tensor
    prompts: list[Condition]
    without: Condition
    steps: int
    weight: float
    guidance: float
    rescale: float
    low: float
    high: float

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """``[K, W, C, L]`` → ``[K, W, channels, T]``, with the clip's phase where the codec has none."""
        k, w = latents.shape[:2]
        reference = self.mix.repeat(k, 1, 1)
        return self.prior.decode(latents.flatten(0, 1), reference=reference).unflatten(0, (k, w))

    def loss(self, step: int, tensors: Tensors, generator: torch.Generator) -> torch.Tensor:
        latents = tensors["latents"]
        total = reconstruction_loss(self.decode(latents).sum(0), self.mix)
        if self.weight:
            total = total + self.weight * self.sds(step, latents, generator)
        return total

    def sds(self, step: int, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """½·mean((h − sg(ĥ₀))²) over all sources and windows, at one t a source and window."""
        k, w = latents.shape[:2]
        flat = latents.flatten(0, 1)
        t = timesteps.draw("annealed", k * w, self.low, self.high, step / max(1, self.steps), generator)
        noise = torch.randn(flat.shape, generator=generator)
        prompts = together(self.prompts, w)
        without = self.without.expand(k * w)
        estimate = update.target(
            self.prior, flat.detach(), t, noise, prompts, without, self.guidance, DENOISING_STEPS, self.rescale
        )
        return 0.5 * (flat - estimate).square().mean()


def reconstruction_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Σ_m ‖S_m(mix) − S_m(Σ g_k)‖² relative to the mix's own energy in each window."""
    loss = found.new_zeros(())
    for window in REC_WINDOWS:
        a, b = magnitude(found, window), magnitude(wanted, window)
        loss = loss + ((a - b).square().sum((1, 2, 3)) / b.square().sum((1, 2, 3)).clamp(min=1e-6)).mean()
    return loss
