"""Distances between a reference and an estimate.

Conventions
-----------
Both are arrays or tensors of one shape, ``[samples]`` or ``[channels, samples]``, in full scale −1…1, aligned in
time and at one rate. A metric is one float. Nothing is rescaled or shifted unless the metric's name says so.

Metrics
-------
* :func:`sdr`: 10·log10 of the reference's energy over the error's, dB, all channels together. Gain errors count.
* :func:`si_sdr`: the same after the best single gain, dB [1]_.
* :func:`bss_sdr`: the same after the best 512-tap filter a channel, dB, mean over channels [2]_.
* :func:`log_spectral_distance`: root mean square difference of log spectra, dB, over three window lengths.
* :func:`spectrogram_correlation`: Pearson's r of log spectrograms, −1…1, blind to gain.

Ratios are kept within ±``MOST_DB``. Identical signals give that, a distance of 0 dB and a correlation of 1.

References
----------
.. [1] J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: "SDR – half-baked or well done?", ICASSP 2019.
.. [2] E. Vincent, R. Gribonval, C. Févotte: "Performance measurement in blind audio source separation", IEEE
   TASLP 14(4), 2006, in the fast form of R. Scheibler: "SDR – medium rare with fast computations", ICASSP 2022.
"""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.audio import (
    scale_invariant_signal_distortion_ratio,
    signal_distortion_ratio,
    signal_noise_ratio,
)

from sds_bridge.errors import InputError

Sound = np.ndarray | torch.Tensor

WINDOWS = (1024, 2048, 4096)
FLOOR_DB = -80.0
MOST_DB = 150.0


def validate(reference: Sound, estimate: Sound) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as float64 ``[channels, samples]``.

    Raises:
        InputError: shapes differ or are neither ``[samples]`` nor ``[channels, samples]``, no samples, samples that
            aren't finite, or a silent reference.
    """
    pair = tuple(torch.as_tensor(sound).detach().cpu().double() for sound in (reference, estimate))
    shapes = [list(sound.shape) for sound in pair]
    if shapes[0] != shapes[1]:
        raise InputError(f"reference {shapes[0]} and estimate {shapes[1]} differ in shape. Cut or resample one to fit.")
    if len(shapes[0]) not in (1, 2) or pair[0].numel() == 0:
        raise InputError(
            f"shape {shapes[0]} can't be compared; [samples] and [channels, samples] can. Give a clip with sound."
        )
    for name, sound in zip(("reference", "estimate"), pair, strict=True):
        if not torch.isfinite(sound).all():
            raise InputError(
                f"{name}: {int((~torch.isfinite(sound)).sum())} samples are NaN or infinite. Render it again."
            )
    if not pair[0].any():
        raise InputError("reference: is silent, so no ratio to it exists. Give a reference with sound in it.")
    return torch.atleast_2d(pair[0]), torch.atleast_2d(pair[1])


def sdr(reference: Sound, estimate: Sound) -> float:
    """Energy of the reference over energy of the difference, dB."""
    target, found = validate(reference, estimate)
    return _within(signal_noise_ratio(found.flatten(), target.flatten()))


def si_sdr(reference: Sound, estimate: Sound) -> float:
    """:func:`sdr` after the reference's best single gain, dB."""
    target, found = validate(reference, estimate)
    return _within(scale_invariant_signal_distortion_ratio(found.flatten(), target.flatten()))


def bss_sdr(reference: Sound, estimate: Sound, taps: int = 512) -> float:
    """:func:`sdr` after the best ``taps``-long filter of the reference, dB, mean over channels that sound."""
    target, found = validate(reference, estimate)
    audible = target.any(dim=1)
    if not found[audible].any():
        return -MOST_DB
    ratios = signal_distortion_ratio(found[audible], target[audible], filter_length=taps)
    # finite sounds give NaN only where the coherence is rounded to above 1, that is, without an error to measure
    return _within(torch.where(ratios.isnan(), MOST_DB, ratios).clamp(-MOST_DB, MOST_DB).mean())


def log_spectral_distance(reference: Sound, estimate: Sound) -> float:
    """√(mean over bins of (ΔdB)²) a frame, mean over frames, channels and ``WINDOWS``, dB.

    Levels below ``FLOOR_DB`` under the reference's peak count as ``FLOOR_DB``, so silence in both is no difference.
    """
    target, found = validate(reference, estimate)
    distances = []
    for window in WINDOWS:
        wanted, got = magnitudes(target, window), magnitudes(found, window)
        difference = _decibel(wanted, wanted.max()) - _decibel(got, wanted.max())
        distances.append(difference.square().mean(dim=1).sqrt().mean())
    return float(torch.stack(distances).mean())


def spectrogram_correlation(reference: Sound, estimate: Sound, window: int = 2048) -> float:
    """Pearson's r of both log spectrograms, each floored ``FLOOR_DB`` under its own peak; 0 where one is constant."""
    target, found = validate(reference, estimate)
    levels = [magnitudes(sound, window) for sound in (target, found)]
    centred = [(d := _decibel(m, m.max()).flatten()) - d.mean() for m in levels]
    scale = centred[0].norm() * centred[1].norm()
    return float(centred[0] @ centred[1] / scale) if scale > 0 else 0.0


def evaluate(reference: Sound, estimate: Sound) -> dict[str, float]:
    """Every metric of this module by its name."""
    metrics = (sdr, si_sdr, bss_sdr, log_spectral_distance, spectrogram_correlation)
    return {metric.__name__: metric(reference, estimate) for metric in metrics}


def magnitudes(sound: torch.Tensor, window: int) -> torch.Tensor:
    """``[channels, samples]`` → STFT magnitudes ``[channels, bins, frames]``, Hann, hop ``window``/4, zero-padded."""
    hann = torch.hann_window(window, dtype=sound.dtype)
    return torch.stft(sound, window, window // 4, window=hann, pad_mode="constant", return_complex=True).abs()


def _decibel(magnitude: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    if peak == 0:
        return torch.full_like(magnitude, FLOOR_DB)
    return (20 * torch.log10(magnitude.clamp(min=1e-300) / peak)).clamp(min=FLOOR_DB)


def _within(decibel: torch.Tensor) -> float:
    return float(decibel.clamp(-MOST_DB, MOST_DB))
