"""Stable Audio 3, base checkpoint: diffusers' ``StableAudio3Pipeline`` (rectified flow).

z_t = (1 − t)·z_0 + t·ε and the transformer predicts the velocity v = ε − z_0, hence α = 1 − t, σ = t and
x̂₀ = z − t·v. Use the *base* checkpoint: the distilled one has guidance baked in, so negatives do nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import StableAudio3Pipeline

from sds_bridge.priors.base import Condition, Prior
from sds_bridge.priors.loading import load_pipeline


class StableAudio3Prior(Prior):
    """Any folder or hub id that ``StableAudio3Pipeline`` loads. Arguments as ``StableAudioOpenPrior``."""

    def __init__(self, source: str, name: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.pipeline: Any = load_pipeline(StableAudio3Pipeline, source, device, dtype)
        vae = self.pipeline.vae
        self.name = name
        self.device, self.dtype = torch.device(device), dtype
        self.sample_rate = int(vae.config.sampling_rate)
        self.channels = int(vae.config.audio_channels)
        self.hop_length = int(vae.downsampling_ratio)
        self.latent_channels = int(vae.config.latent_dim)
        self.longest_seconds = float(self.pipeline.duration_embedder.config.max_val)
        self.distilled = bool(self.pipeline.scheduler.config.get("stochastic_sampling", False))

    @torch.no_grad()
    def embed(self, prompt: str | None, seconds: float) -> Condition:
        """As the pipeline does it; the unconditional branch is the empty prompt with the same duration."""
        states, mask = self.pipeline.encode_prompt(prompt or "", self.device, 1)
        duration = self.pipeline.encode_duration(min(seconds, self.longest_seconds), self.device, 1, 1)
        context, mask = self.pipeline.prepare_cross_attention(states, mask, duration)
        return Condition({"cross": context.to(self.dtype), "mask": mask, "whole": duration.to(self.dtype)})

    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        return self.pipeline.vae.encode(waveform.to(self.device, self.dtype)).latents.float()

    def decode(self, z: torch.Tensor, reference: torch.Tensor | None = None) -> torch.Tensor:
        return self.pipeline.vae.decode(z.to(self.device, self.dtype)).sample.float()

    def alpha_sigma(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        t = t[:, None, None]
        return 1 - t, t

    def time_at(self, odds: torch.Tensor) -> torch.Tensor:
        return odds / (1 + odds)

    def denoise(self, z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        # the scheduler's timesteps are the sigmas themselves times its num_train_timesteps
        scale = self.pipeline.scheduler.config.num_train_timesteps
        velocity = self.pipeline.transformer(
            z.to(self.device, self.dtype),
            (t * scale).to(self.device, self.dtype),
            encoder_hidden_states=condition.tensors["cross"],
            global_hidden_states=condition.tensors["whole"],
            encoder_attention_mask=condition.tensors["mask"],
            return_dict=False,
        )[0].float()
        return z - t[:, None, None] * velocity
