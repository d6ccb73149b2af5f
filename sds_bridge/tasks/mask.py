"""Mask projection: estimated stems become Wiener-like masks on the clip's own STFT.

Phase and everything above the prior's band come from the clip (DGMO), and the masks of all stems sum to one,
so the stems sum to the clip.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

WINDOW_SECONDS = 0.064
POWER = 2.0


def project(clip: np.ndarray, stems: np.ndarray, rate: int, highest_hz: float) -> np.ndarray:
    """Masked copies of the clip.

    Args:
        clip: ``[channels, T]``.
        stems: estimates ``[K, T]`` (mono) at the clip's rate.
        highest_hz: above this the estimates hold nothing; the mask of the band just below is used.

    Returns:
        ``[K, channels, T]``; the sum over K is the clip within rounding.
    """
    window = 1 << int(np.log2(WINDOW_SECONDS * rate))
    length = clip.shape[1]
    short = max(0, window - length)
    clip, stems = np.pad(clip, ((0, 0), (0, short))), np.pad(stems, ((0, 0), (0, short)))
    settings = {"fs": rate, "nperseg": window, "noverlap": window * 3 // 4, "boundary": "zeros", "padded": True}
    frequency, _, sizes = signal.stft(stems, **settings)
    strength = np.abs(sizes) ** POWER + 1e-12
    masks = strength / strength.sum(0)
    top = int(np.searchsorted(frequency, highest_hz))
    if top < masks.shape[1]:
        band = slice(max(0, int(top * 0.8)), max(1, top))
        held = (strength[:, band].sum(1) / strength[:, band].sum((0, 1)))[:, None]
        masks[:, top:] = held
    _, _, spectrum = signal.stft(clip, **settings)
    _, parts = signal.istft(
        masks[:, None] * spectrum[None], **{k: v for k, v in settings.items() if k != "padded" and k != "boundary"}
    )
    return parts[..., :length]
