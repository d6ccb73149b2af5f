"""Room impulse responses: exponentially decaying band-passed noise, and convolution with them."""

from __future__ import annotations

from functools import lru_cache

import torch

from sds_bridge.synths.envelope import fall


def band_edges_masks(bands_hz: tuple[float, ...], length: int, rate: int) -> torch.Tensor:
    """Octave-like bands that add up to one at every frequency, ``[bands, length // 2 + 1]``.

    Raised cosines on a log-frequency axis; the lowest band reaches down to 0 Hz, the highest up to Nyquist.
    """
    frequency = torch.fft.rfftfreq(length, 1 / rate).clamp(min=1.0)
    position = torch.log2(frequency / bands_hz[0])
    centres = torch.log2(torch.tensor(bands_hz) / bands_hz[0])
    masks = []
    for i, centre in enumerate(centres):
        below = centre - centres[i - 1] if i else torch.tensor(1.0)
        above = centres[i + 1] - centre if i + 1 < len(centres) else torch.tensor(1.0)
        left = torch.clamp((centre - position) / below, 0, 1) if i else torch.zeros_like(position)
        right = torch.clamp((position - centre) / above, 0, 1) if i + 1 < len(centres) else torch.zeros_like(position)
        masks.append(torch.cos((left + right) * torch.pi / 2) ** 2)
    return torch.stack(masks)


@lru_cache(maxsize=2)
def band_noise(bands_hz: tuple[float, ...], samples: int, rate: int, seed: int) -> torch.Tensor:
    """``[2, bands, samples]``, each band with unit energy a second. Kept for the next call: a tune asks for it at
    every step."""
    generator = torch.Generator().manual_seed(seed)
    # what is kept must serve a later gradient, even when the first caller wants none
    with torch.inference_mode(False), torch.no_grad():
        spectrum = torch.fft.rfft(torch.randn(2, samples, generator=generator))
        noise = torch.fft.irfft(spectrum[:, None] * band_edges_masks(bands_hz, samples, rate), n=samples)
        return noise / (noise.square().sum(-1, keepdim=True) * rate / samples).clamp(min=1e-12).sqrt()


def band_noise_room(
    level: torch.Tensor, decay: torch.Tensor, bands_hz: tuple[float, ...], samples: int, rate: int, seed: int
) -> torch.Tensor:
    """Stereo impulse response ``[B, 2, samples]``: Σ bands level · noise band · 60 dB decay.

    Args:
        level, decay: ``[B, bands]``, amplitude and seconds. Each band's noise has unit energy a second
            before its decay, so that the level does not depend on the sample rate.
        seed: of the noise; the same for the same rate and length.
    """
    noise = band_noise(bands_hz, samples, rate, seed).to(level.device)
    time = torch.arange(samples, device=level.device) / rate
    room = torch.zeros(level.shape[0], 2, samples, device=level.device)
    for band in range(level.shape[1]):
        envelope = level[:, band, None] * fall(time, decay[:, band, None])
        room = room + envelope[:, None] * noise[None, :, band]
    return room


def convolve(dry: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
    """Linear convolution by FFT, cut to the length of ``dry``: ``[B, C, T] ∗ [B, 2, R] → [B, 2, T]``."""
    size = 1 << (dry.shape[-1] + room.shape[-1] - 1).bit_length()
    product = torch.fft.rfft(dry, n=size) * torch.fft.rfft(room, n=size)
    return torch.fft.irfft(product, n=size)[..., : dry.shape[-1]]
