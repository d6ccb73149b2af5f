"""Stable Audio Open 1.0, and the bundled starter, which has its layout: diffusers' ``StableAudioPipeline``.

Times follow its cosine scheduler: t = 2·atan(σ_EDM)/π, hence α = cos(πt/2), σ = sin(πt/2) for the
variance-preserving z the transformer takes, and with v-prediction x̂₀ = α·z − σ·v. t is drawn directly: the
scheduler's σ_min of 0.3 would leave out t < 0.186.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import StableAudioPipeline
from diffusers.models.embeddings import get_1d_rotary_pos_embed

import sds_bridge.starter.mel_codec  # noqa: F401  (diffusers loads the starter's codec only if it is imported already)
from sds_bridge.errors import PriorError
from sds_bridge.priors.base import Condition, Prior
from sds_bridge.priors.loading import load_pipeline
from sds_bridge.starter.captions import STOP_WORDS, words


class StableAudioOpenPrior(Prior):
    """Any folder or hub id that ``StableAudioPipeline`` loads.

    Args:
        source: folder or hub id.
        name: shown in job records.
        device, dtype: as torch names them.
    """

    def __init__(self, source: str, name: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.pipeline: Any = load_pipeline(StableAudioPipeline, source, device, dtype)
        prediction = self.pipeline.scheduler.config.prediction_type
        if prediction != "v_prediction":
            raise PriorError(
                f"prior {source!r}: predicts {prediction!r}; only v_prediction is supported. Use another checkpoint."
            )
        vae, transformer = self.pipeline.vae, self.pipeline.transformer
        self.name = name
        self.device, self.dtype = torch.device(device), dtype
        self.sample_rate = int(vae.sampling_rate)
        self.channels = int(vae.config.audio_channels)
        self.hop_length = int(vae.hop_length)
        self.latent_channels = int(transformer.config.in_channels)
        self.longest_seconds = transformer.config.sample_size * self.hop_length / self.sample_rate
        self._phaseless = hasattr(vae, "griffin_lim")
        self._rotary: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def embed(self, prompt: str | None, seconds: float) -> Condition:
        """The pipeline's own conditioning: T5 states, start and end seconds; all zero when unconditional."""
        text = self.pipeline.encode_prompt(prompt or "", self.device, False)
        start, end = self.pipeline.encode_duration(0.0, min(seconds, self.longest_seconds), self.device, False, 1)
        cross = torch.cat([text, start, end], dim=1)
        if prompt is None:
            cross = torch.zeros_like(cross)
        return Condition({"cross": cross.to(self.dtype), "whole": torch.cat([start, end], dim=2).to(self.dtype)})

    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        distribution = self.pipeline.vae.encode(waveform.to(self.device, self.dtype)).latent_dist
        return distribution.mode().float()

    def decode(self, z: torch.Tensor, reference: torch.Tensor | None = None) -> torch.Tensor:
        z = z.to(self.device, self.dtype)
        if self._phaseless:
            return self.pipeline.vae.decode(z, reference=reference).sample.float()
        return self.pipeline.vae.decode(z).sample.float()

    def alpha_sigma(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angle = (t * (math.pi / 2))[:, None, None]
        return torch.cos(angle), torch.sin(angle)

    def time_at(self, odds: torch.Tensor) -> torch.Tensor:
        return odds.atan() * (2 / math.pi)

    def denoise(self, z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        frames = z.shape[2]
        if frames not in self._rotary:
            cos, sin = get_1d_rotary_pos_embed(
                self.pipeline.rotary_embed_dim, frames + 1, use_real=True, repeat_interleave_real=False
            )
            self._rotary[frames] = (cos.to(self.device), sin.to(self.device))
        v = self.pipeline.transformer(
            z.to(self.device, self.dtype),
            t.to(self.device, self.dtype),
            encoder_hidden_states=condition.tensors["cross"],
            global_hidden_states=condition.tensors["whole"],
            rotary_embedding=self._rotary[frames],
            return_dict=False,
        )[0].float()
        alpha, sigma = self.alpha_sigma(t)
        return alpha * z - sigma * v

    def words(self, prompt: str) -> tuple[list[str], list[str]] | None:
        """Only a word-level tokenizer, as the starter's, can tell; sentence-piece ones spell any word."""
        tokenizer = self.pipeline.tokenizer
        if any(token.startswith("▁") for token in tokenizer.get_vocab()):
            return None
        asked = [w for w in words(prompt) if w not in STOP_WORDS]
        known = [w for w in asked if tokenizer.convert_tokens_to_ids(w) != tokenizer.unk_token_id]
        return known, [w for w in asked if w not in known]
