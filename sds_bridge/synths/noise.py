"""Seeded noise under a low-pass whose corner is a parameter."""

from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache(maxsize=4)
def white_spectrum(samples: int, seed: int) -> torch.Tensor:
    """Of seeded white noise; kept for the next call."""
    with torch.inference_mode(False), torch.no_grad():
        return torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(seed)))


def low_passed_noise(samples: int, corner: torch.Tensor, rate: int, seed: int) -> torch.Tensor:
    """White noise (unit variance before the filter) through 1/√(1 + (f/corner)²), zero phase.

    Args:
        corner: Hz, ``[B, 1]``.
        seed: the same noise for the same seed and length.

    Returns:
        ``[B, samples]``, differentiable in ``corner``.
    """
    if corner.numel() == 1 and not corner.requires_grad and corner.device.type == "cpu":
        return _kept(samples, float(corner), rate, seed)
    return _low_passed(samples, corner, rate, seed)


@lru_cache(maxsize=8)
def _kept(samples: int, corner: float, rate: int, seed: int) -> torch.Tensor:
    """One voice's, which has the same noise in each of its notes."""
    with torch.inference_mode(False), torch.no_grad():
        return _low_passed(samples, torch.tensor([[corner]]), rate, seed)


def _low_passed(samples: int, corner: torch.Tensor, rate: int, seed: int) -> torch.Tensor:
    frequency = torch.fft.rfftfreq(samples, 1 / rate, device=corner.device)
    response = 1 / torch.sqrt(1 + (frequency / corner) ** 2)
    return torch.fft.irfft(white_spectrum(samples, seed).to(corner.device) * response, n=samples)
