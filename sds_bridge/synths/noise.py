"""Seeded noise under a low-pass whose corner is a parameter."""

from __future__ import annotations

from functools import lru_cache

import torch

# a synth's latest noises that are kept: those of its short and of its long notes
MOST_KEPT = 2


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
    frequency = torch.fft.rfftfreq(samples, 1 / rate, device=corner.device)
    response = 1 / torch.sqrt(1 + (frequency / corner) ** 2)
    return torch.fft.irfft(white_spectrum(samples, seed).to(corner.device) * response, n=samples)


class NoiseSource:
    """One synth's :func:`low_passed_noise`, where a voice has the same one in each of its notes.

    A single voice's that needs no gradient is kept, and handed out again: it is not to be written to.
    """

    def __init__(self) -> None:
        self._kept = lru_cache(MOST_KEPT)(_of_one_voice)

    def __call__(self, samples: int, corner: torch.Tensor, rate: int, seed: int) -> torch.Tensor:
        plain = corner.dtype == torch.float32 and corner.device.type == "cpu" and not corner.requires_grad
        if plain and corner.numel() == 1:
            return self._kept(samples, float(corner), rate, seed)
        return low_passed_noise(samples, corner, rate, seed)


def _of_one_voice(samples: int, corner: float, rate: int, seed: int) -> torch.Tensor:
    with torch.inference_mode(False), torch.no_grad():
        return low_passed_noise(samples, torch.tensor([[corner]]), rate, seed)
