"""Updates, guidance and times against closed forms, with a prior whose score is known."""

from __future__ import annotations

import math

import pytest
import torch

from sds_bridge.distillation import guidance, timesteps, update
from sds_bridge.distillation.spectrogram import magnitude
from sds_bridge.priors.base import Condition, Prior


class GaussianPrior(Prior):
    """Data N(mean, s²) under a prompt, N(0, s²) without: the optimal denoiser is linear, in closed form."""

    name, sample_rate, channels, hop_length, longest_seconds, latent_channels = "gaussian", 24000, 1, 4, 1.0, 2

    def __init__(self, spread: float = 0.3) -> None:
        self.spread = spread

    def embed(self, prompt, seconds):
        return Condition({"mean": torch.tensor([[[0.0 if prompt is None else float(prompt)]]])})

    def encode(self, waveform):
        return waveform.unflatten(2, (-1, 4)).mean(3).expand(-1, 2, -1)

    def decode(self, z, reference=None):
        return z.mean(1, keepdim=True).repeat_interleave(4, 2)

    def alpha_sigma(self, t):
        return torch.cos(t * math.pi / 2)[:, None, None], torch.sin(t * math.pi / 2)[:, None, None]

    def time_at(self, odds):
        return odds.atan() * (2 / math.pi)

    def denoise(self, z, t, condition):
        alpha, sigma = self.alpha_sigma(t)
        mean = condition.tensors["mean"]
        gain = alpha * self.spread**2 / (alpha**2 * self.spread**2 + sigma**2)
        return mean + gain * (z - alpha * mean)


def test_guidance_is_the_papers_convention():
    a, b = torch.tensor([[2.0]]), torch.tensor([[1.0]])
    assert guidance.mix(a, b, 15.0).item() == pytest.approx(16 * 2 - 15 * 1)
    assert guidance.mix(a, b, 0.0).item() == 2.0


def test_rescaled_guidance_keeps_the_conditional_spread():
    torch.manual_seed(0)
    a, b = torch.randn(3, 4, 50), torch.randn(3, 4, 50)
    assert torch.allclose(guidance.mix(a, b, 30.0, 1.0).std((1, 2)), a.std((1, 2)), rtol=1e-4)


def test_guided_denoise_mixes_both_branches_in_one_batch():
    prior = GaussianPrior()
    z, t = torch.randn(3, 2, 8), torch.tensor([0.2, 0.5, 0.9])
    with_prompt, without = prior.embed("1.5", 1), prior.embed(None, 1)
    found = guidance.guided_denoise(prior, z, t, with_prompt, without, 4.0)
    wanted = 5 * prior.denoise(z, t, with_prompt.expand(3)) - 4 * prior.denoise(z, t, without.expand(3))
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 200])
def test_ddim_follows_the_probability_flow(steps):
    """For Gaussian data DDIM's fixed point is known: z_t maps to mean + (z_t − α·mean)·s/√(α²s² + σ²)."""
    prior = GaussianPrior()
    z, t = torch.randn(4, 2, 8), torch.full((4,), 0.7)
    prompt, without = prior.embed("1.0", 1), prior.embed(None, 1)
    times = torch.stack([t * (1 - k / steps) for k in range(steps)])
    found = update.ddim(prior, z, times, prompt.expand(4), without.expand(4), 0.0)
    alpha, sigma = prior.alpha_sigma(t)
    exact = 1.0 + (z - alpha) * prior.spread / (alpha**2 * prior.spread**2 + sigma**2).sqrt()
    error = (found - exact).abs().max().item()
    assert error < {1: 1.5, 2: 0.8, 5: 0.3, 200: 0.02}[steps]


def test_waveform_update_has_the_papers_gradient():
    x = torch.randn(1, 1, 32, requires_grad=True)
    targets = torch.randn(5, 1, 32)
    (gradient,) = torch.autograd.grad(update.waveform_loss(x, targets), x)
    assert torch.allclose(gradient, x - targets.mean(0), atol=1e-5)


def test_encoder_update_is_the_weighted_noise_residual():
    """α·σ·(h − ĥ₀) equals σ²·(ε̂ − ε) when ĥ₀ comes from one denoising step of z = α·h + σ·ε."""
    prior = GaussianPrior()
    h, noise, t = torch.randn(3, 2, 8), torch.randn(3, 2, 8), torch.tensor([0.2, 0.5, 0.8])
    prompt, without = prior.embed("1.0", 1), prior.embed(None, 1)
    estimate = update.target(prior, h, t, noise, prompt, without, 2.0, 1)
    alpha, sigma = prior.alpha_sigma(t)
    residual = (alpha * h + sigma * noise - alpha * estimate) / sigma - noise
    leaf = h.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(update.encoder_loss(leaf, estimate, t, prior), leaf)
    expected = sigma**2 * residual
    ratio = gradient / expected
    assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-3)
    assert ratio.flatten()[0] > 0


def test_target_takes_no_gradient_and_loss_vanishes_at_it():
    x = torch.randn(1, 1, 8192, requires_grad=True)
    loss = update.spectrogram_loss(x, x.detach().clone(), log_weight=1.0)
    assert loss.item() == pytest.approx(0, abs=1e-9)


def test_spectrogram_of_a_sine_peaks_at_its_amplitude():
    t = torch.arange(24000) / 24000
    x = 0.5 * torch.sin(2 * math.pi * 1500 * t)
    for window in update.WINDOWS:
        inside = magnitude(x, window)[:, 2:-2]
        assert inside.amax().item() == pytest.approx(0.5, rel=0.02)
        assert inside.mean(1).argmax().item() == pytest.approx(1500 * window / 24000, abs=1)


def test_gradient_at_silence_is_finite():
    x = torch.zeros(1, 1, 8192, requires_grad=True)
    (gradient,) = torch.autograd.grad(update.spectrogram_loss(x, torch.randn(2, 1, 8192), log_weight=1.0), x)
    assert torch.isfinite(gradient).all()


def test_sds_descends_to_the_prompts_mean():
    """On θ = waveform and a Gaussian prior, decoder-SDS ends at the prompt's mean."""
    prior = GaussianPrior(spread=0.1)
    x = torch.zeros(1, 1, 64, requires_grad=True)
    prompt, without = prior.embed("0.7", 1), prior.embed(None, 1)
    optimiser = torch.optim.Adam([x], lr=0.05)
    for step in range(200):
        generator = torch.Generator().manual_seed(step)
        t = timesteps.draw("stratified", 8, 0.2, 0.9, 0.0, generator)
        latents = prior.encode(x.detach()).expand(8, -1, -1)
        noise = torch.randn(latents.shape, generator=generator)
        target = prior.decode(update.target(prior, latents, t, noise, prompt, without, 0.0, 2))
        optimiser.zero_grad()
        update.waveform_loss(x, target).backward()
        optimiser.step()
    assert x.mean().item() == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("schedule", ["uniform", "stratified", "annealed"])
def test_times_stay_in_range_and_strata_are_filled(schedule):
    t = timesteps.draw(schedule, 64, 0.1, 0.9, 0.0, torch.Generator().manual_seed(1))
    assert t.min() >= 0.1 and t.max() <= 0.9
    if schedule != "uniform":
        cells = ((t.sort().values - 0.1) / 0.8 * 64).floor()
        assert torch.equal(cells, torch.arange(64.0))


def test_annealing_lowers_the_top():
    late = timesteps.draw("annealed", 64, 0.1, 0.9, 1.0, torch.Generator().manual_seed(1))
    assert late.max() <= 0.3 + 1e-6


def test_nearness_prefers_the_target_that_is_nearest():
    time = torch.arange(24_000) / 24_000
    x = torch.sin(2 * math.pi * 300 * time)[None, None]
    targets = torch.stack([torch.sin(2 * math.pi * hz * time) for hz in (300.0, 450.0, 900.0)])[:, None]
    found, wanted = magnitude(x, 1024), magnitude(targets, 1024)
    assert torch.allclose(update.nearness(found, wanted, 0.0), torch.full((3,), 1 / 3))
    weights = update.nearness(found, wanted, 5.0)
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights.argmax() == 0 and weights[0] > 0.5
    near, far = (update.spectrogram_loss(x, targets, focus=f).item() for f in (5.0, 0.0))
    assert near < far
