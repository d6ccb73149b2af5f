"""The Audio-SDS updates as pure functions: losses whose gradients are the paper's.

``target`` is x̂, a constant. Each loss is a mean over the batch and a sum (normalised by its size) over the
rest, so that learning rates carry over between lengths.
"""

from __future__ import annotations

import math
from typing import Literal

import torch

from sds_bridge.distillation.guidance import guided_denoise
from sds_bridge.distillation.spectrogram import magnitude
from sds_bridge.priors.base import Condition, Prior

Update = Literal["encoder", "waveform", "spectrogram", "multiscale", "classifier"]
WINDOWS = (512, 1024, 2048, 4096)


def ddim(
    prior: Prior,
    z: torch.Tensor,
    times: torch.Tensor,
    prompt: Condition,
    without: Condition,
    tau: float,
    rescale: float = 0.0,
) -> torch.Tensor:
    """Deterministic DDIM (Song et al. 2021, eq. 12 with η = 0) along ``times`` ``[K, B]``, then to 0; returns ĥ₀.

    With ε̂ = (z − α·x̂₀)/σ, one step is z' = α'·x̂₀ + σ'·ε̂.
    """
    estimate = z
    for k, now in enumerate(times):
        estimate = guided_denoise(prior, z, now, prompt, without, tau, rescale)
        if k + 1 < len(times):
            alpha, sigma = prior.alpha_sigma(now)
            alpha_next, sigma_next = prior.alpha_sigma(times[k + 1])
            z = alpha_next * estimate + sigma_next * (z - alpha * estimate) / sigma
    return estimate


@torch.no_grad()
def target(
    prior: Prior,
    latents: torch.Tensor,
    t: torch.Tensor,
    noise: torch.Tensor,
    prompt: Condition,
    without: Condition,
    tau: float,
    steps: int,
    rescale: float = 0.0,
) -> torch.Tensor:
    """Noise ``latents`` to t and denoise them in ``steps`` equal steps of t: ĥ₀ ``[B, C, L]``, a constant."""
    alpha, sigma = prior.alpha_sigma(t)
    times = torch.stack([t * (1 - k / steps) for k in range(steps)])
    return ddim(prior, alpha * latents + sigma * noise, times, prompt, without, tau, rescale)


@torch.no_grad()
def classifier_target(
    prior: Prior,
    latents: torch.Tensor,
    t: torch.Tensor,
    noise: torch.Tensor,
    prompt: Condition,
    without: Condition,
    tau: float,
    reach: float,
) -> torch.Tensor:
    """Classifier score distillation (Yu et al., arXiv 2310.19415): h + τ·E[ĥ₀(prompt) − ĥ₀(∅)], ``[1, C, L]``.

    SDS's residual is (ε̂_∅ − ε) + (1 + τ)·(ε̂_p − ε̂_∅). Its first part pulls towards what the prior finds likely at
    all, and a synth that can't make recordings is pulled far by it. This keeps the second part, the gradient of
    log p(prompt | h), as a step from the render itself.

    Args:
        latents: of one render, ``[1, C, L]``; ``t`` ``[B]`` and ``noise`` ``[B, C, L]`` are the draws.
        reach: longest step, as a share of the latents' own standard deviation.
    """
    alpha, sigma = prior.alpha_sigma(t)
    z = alpha * latents + sigma * noise
    both = prompt.expand(len(z)).then(without.expand(len(z)))
    estimate = prior.denoise(torch.cat([z, z]), torch.cat([t, t]), both)
    way = tau * (estimate[: len(z)] - estimate[len(z) :]).mean(0, keepdim=True)
    return latents + way * (reach * latents.std() / way.std().clamp(min=1e-6)).clamp(max=1.0)


def waveform_loss(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Decoder-SDS (eq. 5): ½‖x − sg(x̂)‖², whose gradient is (x − x̂)·∇x."""
    return 0.5 * (x - target.detach()).square().mean(0).sum()


def nearness(found: torch.Tensor, wanted: torch.Tensor, focus: float) -> torch.Tensor:
    """Weights ``[B]`` of the targets that sum to 1: softmax of −focus · distance over the mean distance.

    The targets of one render differ in pitch and rhythm where the prompt leaves them open, and their plain mean
    (``focus`` 0) is a blur that no synth should follow. Leaning on those near the render, as mean shift does, climbs
    towards one of the prior's modes. The distance is the mean |Δ log S|.

    Args:
        found, wanted: magnitudes of the render ``[1, …]`` and of the targets ``[B, …]``.
    """
    with torch.no_grad():
        distance = ((wanted + 1e-3).log() - (found + 1e-3).log()).abs().flatten(1).mean(1)
        return torch.softmax(-focus * distance / distance.mean().clamp(min=1e-9), 0)


def spectrogram_loss(
    x: torch.Tensor,
    target: torch.Tensor,
    windows: tuple[int, ...] = WINDOWS,
    log_weight: float = 0.0,
    focus: float = 0.0,
) -> torch.Tensor:
    """Eq. 7: ½ Σ_m ‖S_m(x) − E[S_m(sg(x̂))]‖², each window by its number of bins; the mean is over the targets.

    It differs from ½·E‖S(x) − S(x̂)‖² by the targets' own variance, on which x has no influence, and needs one
    gradient through one spectrogram however many targets there are.

    Args:
        x: ``[1, C, T]``.
        target: ``[B, C, T]``.
        log_weight: adds the same on log(S + 1e-3), on which quiet partials and tails count as they are heard.
        focus: makes the mean over the targets a weighted one, see :func:`nearness`; 0 is the paper's.
    """
    found = [magnitude(x, window) for window in windows]
    with torch.no_grad():
        wanted = [magnitude(target, window) for window in windows]
    middle = (len(windows) - 1) // 2
    share = nearness(found[middle], wanted[middle], focus)
    loss = x.new_zeros(())
    for ours, theirs in zip(found, wanted, strict=True):
        bins = ours.shape[-1] * ours.shape[-2]
        loss = loss + 0.5 * (ours - torch.tensordot(share, theirs, 1)).square().sum() / bins * 1000
        if log_weight:
            level = torch.tensordot(share, theirs.add_(1e-3).log_(), 1)
            loss = loss + log_weight * 0.5 * (torch.log(ours + 1e-3) - level).square().sum() / bins
    return loss


def encoder_loss(latents: torch.Tensor, target: torch.Tensor, t: torch.Tensor, prior: Prior) -> torch.Tensor:
    """Encoder-SDS (eq. 4) with ω(t) = σ²: the gradient on h is ω(t)·(ε̂ − ε).

    For one denoising step ε̂ − ε = (α/σ)·(h − ĥ₀), so ω·(ε̂ − ε) = α·σ·(h − ĥ₀): a loss of
    ½·α·σ·‖h − sg(ĥ₀)‖². For K steps the same expression uses the K-step ĥ₀.
    """
    alpha, sigma = prior.alpha_sigma(t)
    return 0.5 * (alpha * sigma * (latents - target.detach()).square()).mean(0).mean() * math.pi
