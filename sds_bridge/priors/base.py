"""The interface that distillation sees: a frozen text-to-audio diffusion prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Condition:
    """What a prior's denoiser is told: named tensors, each with the batch first."""

    tensors: dict[str, torch.Tensor]

    @property
    def batch(self) -> int:
        return next(iter(self.tensors.values())).shape[0]

    def expand(self, batch: int) -> Condition:
        """Repeat a single condition (batch 1) ``batch`` times."""
        return Condition({k: v.expand(batch, *v.shape[1:]) for k, v in self.tensors.items()})

    def then(self, other: Condition) -> Condition:
        """Concatenate along the batch."""
        return Condition({k: torch.cat([v, other.tensors[k]]) for k, v in self.tensors.items()})


def together(conditions: list[Condition], repeat: int) -> Condition:
    """Conditions (batch 1 each) one after the other, each ``repeat`` times."""
    tensors = [c.expand(repeat).tensors for c in conditions]
    return Condition({k: torch.cat([t[k] for t in tensors]) for k in tensors[0]})


class Prior(ABC):
    """A diffusion model on latents z of shape ``[B, C, L]``, with noise times t in (0, 1).

    Noising is z_t = α(t)·z_0 + σ(t)·ε. ``denoise`` gives the model's estimate x̂₀ of z_0; everything else
    (ε̂ = (z_t − α·x̂₀)/σ, guidance, DDIM) follows from it and is computed by the caller.
    """

    name: str
    sample_rate: int
    channels: int
    hop_length: int
    longest_seconds: float
    latent_channels: int

    @abstractmethod
    def embed(self, prompt: str | None, seconds: float) -> Condition:
        """Condition (batch 1) for a prompt; ``None`` is the unconditional branch."""

    @abstractmethod
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """``[B, channels, T]`` (T a multiple of ``hop_length``) → z ``[B, C, T / hop_length]``; differentiable."""

    @abstractmethod
    def decode(self, z: torch.Tensor, reference: torch.Tensor | None = None) -> torch.Tensor:
        """z → ``[B, channels, T]``. A codec without phase takes it from ``reference``; others ignore it."""

    @abstractmethod
    def alpha_sigma(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """α(t) and σ(t), shaped ``[B, 1, 1]`` for t ``[B]``."""

    @abstractmethod
    def time_at(self, odds: torch.Tensor) -> torch.Tensor:
        """The t at which σ/α is ``odds``, of any shape."""

    @abstractmethod
    def denoise(self, z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        """x̂₀ for z ``[B, C, L]`` at times t ``[B]``; batch of ``condition`` equals z's."""

    def words(self, prompt: str) -> tuple[list[str], list[str]] | None:
        """Words of the prompt that the prior was taught and those that it was not; None where it can't tell."""
        return None

    def describe(self) -> dict[str, str | int | float]:
        """What a job records of its prior."""
        return {"name": self.name, "sample_rate": self.sample_rate, "channels": self.channels}
