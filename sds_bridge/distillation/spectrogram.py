"""STFT magnitudes at one or several windows."""

from __future__ import annotations

import torch


def magnitude(x: torch.Tensor, window: int) -> torch.Tensor:
    """``[..., T]`` → ``[..., window // 2 + 1, frames]``: Hann, hop a half, normalised so that a sine's peak
    is its amplitude. The gradient at silence is zero, not NaN."""
    shape = x.shape[:-1]
    spectrum = torch.stft(
        x.reshape(-1, x.shape[-1]),
        window,
        window // 2,
        window=torch.hann_window(window, device=x.device),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = torch.view_as_real(spectrum).square().sum(-1)
    size = (power + 1e-10).sqrt() * (4.0 / window)
    return size.reshape(*shape, *size.shape[-2:])
