"""The starter's codec: log-mel cepstral patches, with no trained weights.

Encoding
--------
waveform → STFT magnitude ``s`` (Hann, ``n_fft``, ``frame_hop``) → mel magnitude ``m = M s`` →
``log(m + floor)`` → patches of ``patch_frames`` frames × ``bands`` → orthonormal 2-D DCT of each patch, of
which the low-order coefficients named by ``kept`` are the latent channels → per-channel affine
normalisation. With every coefficient kept the map from mel to latent is orthogonal, hence invertible.

Decoding
--------
The inverse transform gives the target mel magnitude ``m``. The linear magnitude ``s`` comes from
multiplicative non-negative updates for the Kullback–Leibler divergence (Lee & Seung 2001):

    s ← s · Mᵀ(m / (M s)) / (Mᵀ 1)

started at the reference's own magnitude when a reference is given, so that ``m = M s_ref`` leaves the
reference as it is: the target acts as a smooth gain on the render, exact where they agree. The phase is the
reference's, or Griffin–Lim's when there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

# of log-mel: a full-scale sine or square wave has 0; strong guidance asks for more than float32's e^88
LOUDEST = 2.0


def mel_filters(bands: int, n_fft: int, sampling_rate: int, lowest_hz: float) -> torch.Tensor:
    """Triangular mel filters, ``[bands, n_fft // 2 + 1]``, each at least one FFT bin wide to either side.

    Centres are equally spaced on the HTK mel scale, 2595·log10(1 + f/700). Rows sum to 1, so a band's value
    is a weighted mean of the magnitudes that it covers.
    """
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sampling_rate / n_fft

    def to_mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    mels = torch.linspace(to_mel(lowest_hz), to_mel(sampling_rate / 2), bands + 2, dtype=torch.float64)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    spacing = sampling_rate / n_fft
    centre = edges[1:-1, None]
    rise = torch.clamp(centre - edges[:-2, None], min=spacing)
    fall = torch.clamp(edges[2:, None] - centre, min=spacing)
    weights = torch.minimum(1 - (centre - bins) / rise, 1 - (bins - centre) / fall).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def dct_matrix(size: int) -> torch.Tensor:
    """Orthonormal DCT-II, ``[size, size]``: row k is the k-th basis vector."""
    n = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(math.pi / size * (n[None] + 0.5) * n[:, None]) * math.sqrt(2.0 / size)
    basis[0] /= math.sqrt(2.0)
    return basis.float()


@dataclass
class PointDistribution:
    """What a VAE's ``encode`` calls ``latent_dist``; here all mass is on one point."""

    latents: torch.Tensor

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.latents

    def mode(self) -> torch.Tensor:
        return self.latents


@dataclass
class EncoderOutput:
    latent_dist: PointDistribution


@dataclass
class DecoderOutput:
    sample: torch.Tensor


class MelCodec(ModelMixin, ConfigMixin):
    """Mono waveform ``[B, 1, T]`` ↔ latent ``[B, sum(kept), T / hop_length]``.

    Args:
        sampling_rate: Hz.
        n_fft: STFT window in samples.
        frame_hop: samples between STFT frames.
        bands: mel bands.
        patch_frames: STFT frames in one latent frame; ``hop_length = frame_hop · patch_frames`` samples.
        kept: how many quefrencies (DCT orders along the bands) are kept for each DCT order along time;
            ``len(kept) <= patch_frames``, each at most ``bands``.
        floor: added to the mel magnitude before the logarithm (full scale is about 0.25).
        lowest_hz: lower edge of the first band.
        inversion_updates: multiplicative updates in :meth:`decode`.
        griffin_lim_iterations: iterations when no reference gives the phase.
    """

    @register_to_config
    def __init__(
        self,
        sampling_rate: int = 24000,
        audio_channels: int = 1,
        n_fft: int = 1536,
        frame_hop: int = 384,
        bands: int = 160,
        patch_frames: int = 4,
        kept: tuple[int, ...] = (80, 32, 12, 4),
        floor: float = 1e-4,
        lowest_hz: float = 20.0,
        inversion_updates: int = 12,
        griffin_lim_iterations: int = 32,
    ) -> None:
        super().__init__()
        channels = sum(kept)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self._fixed: dict[tuple[str, torch.device, torch.dtype], Any] = {}

    @property
    def hop_length(self) -> int:
        return self.config.frame_hop * self.config.patch_frames

    @property
    def sampling_rate(self) -> int:
        return self.config.sampling_rate

    @property
    def channels(self) -> int:
        return sum(self.config.kept)

    def _constant(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """Derived from the config alone, so neither saved nor loaded."""
        key = (name, like.device, torch.float32)
        if key not in self._fixed:
            c = self.config
            made = {
                "filters": lambda: mel_filters(c.bands, c.n_fft, c.sampling_rate, c.lowest_hz),
                "window": lambda: torch.hann_window(c.n_fft),
                "dct_bands": lambda: dct_matrix(c.bands),
                "dct_time": lambda: dct_matrix(c.patch_frames),
            }[name]()
            self._fixed[key] = made.to(like.device)
        return self._fixed[key]

    # -- time ↔ frequency -------------------------------------------------------------------------------

    def stft(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, T]`` → complex ``[B, n_fft//2+1, T / frame_hop]``; frame i is centred at (i + ½)·frame_hop."""
        pad = (self.config.n_fft - self.config.frame_hop) // 2
        window = self._constant("window", x)
        x = F.pad(x, (pad, pad + (self.config.n_fft - self.config.frame_hop) % 2))
        return torch.stft(x, self.config.n_fft, self.config.frame_hop, window=window, center=False, return_complex=True)

    def istft(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Least-squares inverse of :meth:`stft`, ``[B, frames · frame_hop]``."""
        n_fft, hop = self.config.n_fft, self.config.frame_hop
        window = self._constant("window", spectrum.real)
        frames = torch.fft.irfft(spectrum, n=n_fft, dim=1) * window[None, :, None]
        length = (frames.shape[2] - 1) * hop + n_fft

        def overlap_add(pieces: torch.Tensor) -> torch.Tensor:
            return F.fold(pieces, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]

        weight = overlap_add((window**2)[None, :, None].expand(1, -1, frames.shape[2]))
        pad = (n_fft - hop) // 2
        out = overlap_add(frames)[:, pad : pad + frames.shape[2] * hop]
        return out / weight[:, pad : pad + frames.shape[2] * hop].clamp(min=1e-4)

    # -- mel ↔ latent -----------------------------------------------------------------------------------

    def log_mel(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, T]`` → natural log of mel magnitude plus floor, ``[B, bands, T / frame_hop]``."""
        power = torch.view_as_real(self.stft(x)).square().sum(-1)
        # sqrt has an infinite slope at 0, where silence sits
        magnitude = (power + 1e-12).sqrt() * (2.0 / self.config.n_fft)
        return torch.log(self._constant("filters", x) @ magnitude + self.config.floor)

    def to_latent(self, log_mel: torch.Tensor) -> torch.Tensor:
        """``[B, bands, frames]`` → normalised latent ``[B, channels, frames / patch_frames]``."""
        c = self.config
        b, _, frames = log_mel.shape
        patches = log_mel.reshape(b, c.bands, frames // c.patch_frames, c.patch_frames)
        coefficients = torch.einsum(
            "qn,bnlp,kp->blkq", self._constant("dct_bands", log_mel), patches, self._constant("dct_time", log_mel)
        )
        z = torch.cat([coefficients[..., k, :n] for k, n in enumerate(c.kept)], -1).transpose(1, 2)
        return (z - self.mean[:, None].float()) / self.scale[:, None].float()

    def from_latent(self, z: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`to_latent`'s transform: coefficients that are not kept are zero."""
        c = self.config
        z = z * self.scale[:, None].float() + self.mean[:, None].float()
        pieces = torch.split(z.transpose(1, 2), list(c.kept), dim=-1)
        rows = [F.pad(piece, (0, c.bands - piece.shape[-1])) for piece in pieces]
        rows += [torch.zeros_like(rows[0])] * (c.patch_frames - len(rows))
        patches = torch.einsum(
            "qn,blkq,kp->bnlp", self._constant("dct_bands", z), torch.stack(rows, 2), self._constant("dct_time", z)
        )
        return patches.flatten(2)

    # -- the VAE's interface ----------------------------------------------------------------------------

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Any:
        """``[B, 1, T]`` in −1…1, T a multiple of ``hop_length`` → object whose ``latent_dist`` holds z."""
        if x.shape[1] != 1 or x.shape[-1] % self.hop_length:
            raise ValueError(
                f"MelCodec.encode got shape {tuple(x.shape)}; it takes [batch, 1, samples] with samples "
                f"a multiple of {self.hop_length}. Mix to mono and pad the end."
            )
        latents = self.to_latent(self.log_mel(x[:, 0].float())).to(x.dtype)
        output = EncoderOutput(PointDistribution(latents))
        return output if return_dict else (output.latent_dist,)

    def mel_to_magnitude(self, mel: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """KL multiplicative updates (see the module's text) from ``start``, ``[B, bins, frames]``."""
        filters = self._constant("filters", mel)
        column_sums = filters.sum(0)[None, :, None]
        covered = column_sums > 1e-6
        spread = filters.T / column_sums[0].clamp(min=1e-6)
        magnitude = start
        for _ in range(self.config.inversion_updates):
            ratio = mel / (filters @ magnitude + 1e-9)
            # a bin that no band covers (below the lowest, at Nyquist) stays as it was
            magnitude = magnitude * torch.where(covered, spread @ ratio, 1.0)
        return magnitude

    def decode(self, z: torch.Tensor, return_dict: bool = True, reference: torch.Tensor | None = None) -> Any:
        """Latent ``[B, C, L]`` → waveform ``[B, 1, L · hop_length]``.

        Args:
            reference: ``[B, 1, L · hop_length]`` whose phase, and magnitude as a starting point, are used.
                Gradients flow to ``z`` only.
        """
        mel = (torch.exp(self.from_latent(z.float()).clamp(max=LOUDEST)) - self.config.floor).clamp(min=1e-7)
        if reference is None:
            start = self._constant("filters", mel).T @ mel
            magnitude = self.mel_to_magnitude(mel, start)
            phase = self.griffin_lim(magnitude.detach())
        else:
            spectrum = self.stft(reference[:, 0].detach().float())
            size = spectrum.abs()
            phase = torch.where(size > 1e-9, spectrum / size.clamp(min=1e-9), torch.ones_like(spectrum))
            # the floor lets the target be heard where the reference is silent
            magnitude = self.mel_to_magnitude(mel, size * (2.0 / self.config.n_fft) + self.config.floor * 0.1)
        audio = self.istft(magnitude * (self.config.n_fft / 2.0) * phase)[:, None].to(z.dtype)
        return DecoderOutput(audio) if return_dict else (audio,)

    @torch.no_grad()
    def griffin_lim(self, magnitude: torch.Tensor) -> torch.Tensor:
        """A phase (unit complex numbers) for ``magnitude``: Griffin & Lim 1984 from the phase of white noise.

        Noise is a signal, so its phases agree between overlapping frames, which phases drawn bin by bin don't. Plain
        iterations keep clips far nearer to their class in YAMNet's embedding than accelerated ones (Perraudin et
        al. 2013, momentum 0.99): 85 % against 71 % of the clips' own top-5 rate, as many as 24 or 48 of either.
        """
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(magnitude.shape[0], magnitude.shape[2] * self.config.frame_hop, generator=generator)
        spectrum = self.stft(noise.to(magnitude.device))
        for iteration in range(self.config.griffin_lim_iterations + 1):
            phase = spectrum / spectrum.abs().clamp(min=1e-9)
            if iteration < self.config.griffin_lim_iterations:
                spectrum = self.stft(self.istft(magnitude * phase))
        return phase

    @torch.no_grad()
    def fit_normalisation(self, waveforms: torch.Tensor, whitening: float, batch: int = 64) -> None:
        """Set mean and scale from ``[N, T]`` clips: scale ∝ std^whitening, overall variance 1.

        ``whitening`` 1 makes each channel unit variance; 0 keeps the channels' natural proportions.
        """
        self.mean.zero_()
        self.scale.fill_(1.0)
        latents = torch.cat([self.to_latent(self.log_mel(part)) for part in waveforms.split(batch)])
        flat = latents.transpose(1, 2).flatten(0, 1)
        std = flat.std(0).clamp(min=1e-4)
        scale = std**whitening
        scale *= ((std / scale) ** 2).mean().sqrt()
        self.mean.copy_(flat.mean(0))
        self.scale.copy_(scale)
