"""The judge: a small audio–text contrastive model (CLAP in small), independent of the prior.

Audio: log-mel (64 bands) → convolutional network → unit vector. Text: mean of word vectors → MLP → unit
vector. It shares data with the prior but no weights, no text encoder and no codec.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from sds_bridge.starter.captions import words
from sds_bridge.starter.mel_codec import mel_filters

RATE = 24000
WINDOW = 49152
BANDS, N_FFT, HOP = 64, 1024, 384
WIDTH = 128


class LogMel(torch.nn.Module):
    """``[B, WINDOW]`` → ``[B, 1, 64, 128]``, per clip relative to its own peak, 70 dB deep, about −1…1."""

    filters: torch.Tensor
    window: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", mel_filters(BANDS, N_FFT, RATE, 40.0), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        peak = audio.abs().amax(1, keepdim=True).clamp(min=1e-5)
        spectrum = torch.stft(
            F.pad(audio / peak, (N_FFT // 2, N_FFT // 2 - HOP)),
            N_FFT,
            HOP,
            window=self.window,
            center=False,
            return_complex=True,
        )
        mel = self.filters @ (spectrum.abs() * (2.0 / N_FFT))
        decibels = 20 * torch.log10(mel.clamp(min=1e-5))
        floor = decibels.amax((1, 2), keepdim=True) - 70
        return ((torch.maximum(decibels, floor) - floor) / 35 - 1)[:, None]


class Block(torch.nn.Module):
    def __init__(self, given: int, made: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.norm = torch.nn.BatchNorm2d(made)
        self.second = torch.nn.Conv2d(made, made, 3, 1, 1, groups=made // 16, bias=False)
        self.norm_second = torch.nn.BatchNorm2d(made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.first(x)))
        return F.relu(x + self.norm_second(self.second(x)))


class Judge(torch.nn.Module):
    """Cosine similarity of a sound and a caption; ``vocabulary`` maps words to rows, 0 is the unknown word."""

    def __init__(self, vocabulary: list[str]) -> None:
        super().__init__()
        self.vocabulary = {word: i + 1 for i, word in enumerate(vocabulary)}
        self.log_mel = LogMel()
        self.blocks = torch.nn.Sequential(
            Block(1, 16, (2, 2)),
            Block(16, 32, (2, 2)),
            Block(32, 64, (2, 2)),
            Block(64, 128, (2, 2)),
            Block(128, 128, (2, 2)),
        )
        self.audio_head = torch.nn.Sequential(
            torch.nn.Linear(128 * 2 * 2, 256), torch.nn.ReLU(), torch.nn.Linear(256, WIDTH)
        )
        self.words = torch.nn.EmbeddingBag(len(vocabulary) + 1, WIDTH, mode="mean")
        self.text_head = torch.nn.Sequential(torch.nn.Linear(WIDTH, 256), torch.nn.ReLU(), torch.nn.Linear(256, WIDTH))
        self.log_scale = torch.nn.Parameter(torch.tensor(2.5))

    def embed_features(self, features: torch.Tensor) -> torch.Tensor:
        """Log-mel ``[B, 1, 64, 128]`` → unit vectors ``[B, WIDTH]``."""
        x = self.blocks(features)
        pooled = torch.cat([x.mean(3), x.amax(3)], 1).flatten(1)
        return F.normalize(self.audio_head(pooled), dim=1)

    def embed_audio(self, audio: torch.Tensor) -> torch.Tensor:
        """Mono 24 kHz ``[B, T]`` → unit vectors; longer sounds are the mean over windows, shorter are padded."""
        if audio.shape[1] <= WINDOW:
            return self.embed_features(self.log_mel(F.pad(audio, (0, WINDOW - audio.shape[1]))))
        starts = torch.linspace(0, audio.shape[1] - WINDOW, -(-audio.shape[1] // WINDOW)).long().tolist()
        parts = torch.stack([self.embed_features(self.log_mel(audio[:, s : s + WINDOW])) for s in starts])
        return F.normalize(parts.mean(0), dim=1)

    def embed_text(self, captions: list[str]) -> torch.Tensor:
        """Captions → unit vectors ``[B, WIDTH]``."""
        rows = [[self.vocabulary.get(w, 0) for w in words(c)] or [0] for c in captions]
        flat = torch.tensor([i for row in rows for i in row])
        offsets = torch.tensor([0, *[len(row) for row in rows[:-1]]]).cumsum(0)
        vectors = self.words(flat, offsets)
        return F.normalize(vectors + self.text_head(vectors), dim=1)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in self.state_dict().items()}
        save_file(tensors, folder / "judge.safetensors")
        (folder / "vocabulary.json").write_text(json.dumps(list(self.vocabulary)))

    @classmethod
    def load(cls, folder: Path) -> Judge:
        judge = cls(json.loads((folder / "vocabulary.json").read_text()))
        tensors = load_file(folder / "judge.safetensors")
        judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
        return judge.eval().requires_grad_(False)


def contrastive_loss(
    audio: torch.Tensor, text: torch.Tensor, log_scale: torch.Tensor, same: torch.Tensor
) -> torch.Tensor:
    """Symmetric InfoNCE (Radford et al. 2021); all pairs with ``same[i, j]`` share the probability, so that two
    clips of one class in a batch aren't each other's negatives."""
    logits = audio @ text.T * log_scale.clamp(max=4.6).exp()
    wanted = same.float() / same.sum(1, keepdim=True)
    return -0.5 * ((wanted * logits.log_softmax(1)).sum(1).mean() + (wanted * logits.T.log_softmax(1)).sum(1).mean())
