"""Separation by projected SDS: every source takes a step towards its prompt, then all are made to add up to the mix.

The objective is the paper's (eq. 12–13), Σ_m ‖S_m(mix) − S_m(Σ_k g_k)‖² + γ·Σ_k ½‖h_k − sg(ĥ₀,k)‖². Where the
paper descends on the sum, this alternates: a gradient step of size γ on the SDS term, h ← h + γ·(ĥ₀ − h), and
the projection onto the set where the reconstruction term is zero, by magnitude masks on the mix:

    g_k ← iSTFT( |G_k| / Σ_j |G_j| · STFT(mix) ),   h_k ← enc(g_k).

With t annealed from 1 it is posterior sampling in the manner of Mariani et al. 2023 with an exact constraint.
γ = 0 leaves the projection of the starting latents: reconstruction only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sds_bridge.distillation.guidance import guided_denoise
from sds_bridge.distillation.loop import Tensors
from sds_bridge.priors.base import Condition, Prior, together

MASK_WINDOW_SECONDS = 0.064


def share_out(estimates: torch.Tensor, mix: torch.Tensor, rate: int) -> torch.Tensor:
    """Mask ``mix`` ``[W, C, T]`` in proportion to the magnitudes of ``estimates`` ``[K, W, C, T]``; sums to ``mix``."""
    window = 1 << round(torch.log2(torch.tensor(MASK_WINDOW_SECONDS * rate)).item())
    hann = torch.hann_window(window, device=mix.device)
    settings: dict[str, Any] = {"n_fft": window, "hop_length": window // 4, "window": hann, "center": True}
    spectrum = torch.stft(mix.flatten(0, -2), pad_mode="constant", return_complex=True, **settings)
    sizes = torch.stft(estimates.flatten(0, -2), pad_mode="constant", return_complex=True, **settings).abs()
    sizes = sizes.unflatten(0, (len(estimates), -1)) + 1e-7
    parts = (sizes / sizes.sum(0)) * spectrum
    waves = torch.istft(parts.flatten(0, 1), length=mix.shape[-1], **settings)
    return waves.reshape(estimates.shape)


@dataclass(frozen=True)
class Sources:
    """Windows of one clip, ``mix`` ``[W, channels, T]`` at the prior's rate, and one prompt a source.

    Args:
        step_size: γ, 0…1.
        low, high: t falls linearly from ``high`` to ``low`` over ``steps``.
    """

    prior: Prior
    mix: torch.Tensor
    prompts: list[Condition]
    without: Condition
    steps: int
    step_size: float
    guidance: float
    rescale: float
    low: float
    high: float

    @torch.no_grad()
    def advance(self, step: int, state: Tensors, generator: torch.Generator) -> float:
        """One step on ``state["latents"]`` ``[K, W, C, L]``; returns the mean square of ĥ₀ − h."""
        latents = state["latents"]
        k, w = latents.shape[:2]
        flat = latents.flatten(0, 1)
        moved = 0.0
        if self.step_size:
            share = step / max(1, self.steps - 1)
            t = torch.full((k * w,), self.high + (self.low - self.high) * share)
            alpha, sigma = self.prior.alpha_sigma(t)
            noise = torch.randn(flat.shape, generator=generator)
            z = alpha * flat + sigma * noise
            prompts = together(self.prompts, w)
            estimate = guided_denoise(self.prior, z, t, prompts, self.without, self.guidance, self.rescale)
            moved = (estimate - flat).square().mean().item()
            flat = flat + self.step_size * (estimate - flat)
        waves = self.shares(flat.unflatten(0, (k, w)))
        latents.copy_(self.prior.encode(waves.flatten(0, 1)).unflatten(0, (k, w)))
        return moved

    def shares(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode and project: ``[K, W, C, L]`` → ``[K, W, channels, T]`` whose sum over K is the mix."""
        k, w = latents.shape[:2]
        reference = self.mix.repeat(k, 1, 1)
        waves = self.prior.decode(latents.flatten(0, 1), reference=reference).unflatten(0, (k, w))
        return share_out(waves, self.mix, self.prior.sample_rate)
