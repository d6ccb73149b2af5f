"""Envelopes in closed form, so that any sample rate and any time give the same curve."""

from __future__ import annotations

import torch

SIXTY_DB = 6.907755


def adsr(
    time: torch.Tensor,
    hold: float,
    attack: torch.Tensor,
    decay: torch.Tensor,
    sustain: torch.Tensor,
    release: torch.Tensor,
) -> torch.Tensor:
    """Linear attack to 1, exponential fall by 60 dB a ``decay`` towards ``sustain``, exponential release.

    Args:
        time: seconds, ``[T]``.
        hold: seconds that the key is down.
        attack, decay, release: seconds, ``[..., 1]``; sustain: amplitude, ``[..., 1]``.

    Returns:
        ``[..., T]``. The release starts from whatever level the envelope has at ``hold``.
    """

    def held(t: torch.Tensor) -> torch.Tensor:
        rise = torch.clamp(t / attack, max=1.0)
        fall = torch.exp(-SIXTY_DB * torch.clamp(t - attack, min=0.0) / decay)
        return rise * (sustain + (1 - sustain) * fall)

    after = torch.clamp(time - hold, min=0.0)
    return held(torch.clamp(time, max=hold)) * torch.exp(-SIXTY_DB * after / release)


def fall(time: torch.Tensor, seconds: torch.Tensor) -> torch.Tensor:
    """Exponential decay by 60 dB in ``seconds`` (``[B, 1]``) → ``[B, T]``."""
    return torch.exp(-SIXTY_DB * time / seconds)
