"""How far one sound is from another in dB: the multiscale log-spectral distance, fast enough to search with.

:func:`log_spectral_distance` is the distance that ``evaluation.metrics`` defines, in numpy; :class:`Target` is the same
with half the frames and the target's side worked out once, ~7 ms for a second at 44.1 kHz.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import rfft

WINDOWS = (1024, 2048, 4096)
FLOOR_DB = -80.0


def log_spectral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """√(mean over bins of (ΔdB)²) a frame, mean over frames and ``WINDOWS``, for two mono sounds ``[samples]``.

    Levels below ``FLOOR_DB`` under the reference's peak count as ``FLOOR_DB``.
    """
    return Target(reference, overlap=4).loss(estimate)


class Target:
    """A mono sound ``[samples]``, not silent, that others of its length are compared with; ``overlap`` frames a window."""

    def __init__(self, sound: np.ndarray, overlap: int = 2) -> None:
        self.samples = len(sound)
        self._overlap = overlap
        self._scales = []
        for window in WINDOWS:
            magnitude = _magnitudes(sound, window, overlap)
            peak = float(magnitude.max())
            self._scales.append((window, peak, _decibel(magnitude, peak)))

    def loss(self, sound: np.ndarray) -> float:
        """Distance of a sound ``[samples]`` to the target, dB."""
        distances = []
        for window, peak, wanted in self._scales:
            difference = _decibel(_magnitudes(sound, window, self._overlap), peak)
            difference -= wanted
            distances.append(float(np.sqrt(np.mean(np.square(difference), axis=1)).mean()))
        return float(np.mean(distances))


def _magnitudes(sound: np.ndarray, window: int, overlap: int) -> np.ndarray:
    """``[frames, bins]``, Hann, centred, zero-padded."""
    padded = np.pad(np.asarray(sound, np.float32), window // 2)
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // overlap]
    return np.abs(rfft(frames * hann, axis=1))


def _decibel(magnitude: np.ndarray, peak: float) -> np.ndarray:
    if peak == 0:
        return np.full_like(magnitude, FLOOR_DB)
    magnitude *= 1 / peak
    np.maximum(magnitude, np.float32(10 ** (FLOOR_DB / 20)), out=magnitude)
    return 20 * np.log10(magnitude)
