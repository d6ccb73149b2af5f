"""Seeded noise under a low-pass whose corner is a parameter."""

from __future__ import annotations

import torch


def low_passed_noise(samples: int, corner: torch.Tensor, rate: int, seed: int) -> torch.Tensor:
    """White noise (unit variance before the filter) through 1/√(1 + (f/corner)²), zero phase.

    Args:
        corner: Hz, ``[B, 1]``.
        seed: the same noise for the same seed and length.

    Returns:
        ``[B, samples]``, differentiable in ``corner``.
    """
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(samples, generator=generator).to(corner.device)
    frequency = torch.fft.rfftfreq(samples, 1 / rate, device=corner.device)
    response = 1 / torch.sqrt(1 + (frequency / corner) ** 2)
    return torch.fft.irfft(torch.fft.rfft(white) * response, n=samples)
