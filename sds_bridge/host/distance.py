"""How far one sound is from another in dB: the multiscale log-spectral distance, fast enough to search with.

:func:`log_spectral_distance` is the distance that ``evaluation.metrics`` defines, in numpy. A search uses a coarser
:class:`Target`: fewer windows and half the frames, 1 ms of CPU for a second at 44.1 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.fft import rfft

WINDOWS = (1024, 2048, 4096)
SEARCH_WINDOWS = (1024, 4096)
FLOOR_DB = -80.0


def log_spectral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """√(mean over bins of (ΔdB)²) a frame, mean over frames and ``WINDOWS``, for two mono sounds ``[samples]``.

    Levels below ``FLOOR_DB`` under the reference's peak count as ``FLOOR_DB``.
    """
    return Target(reference).loss(estimate)


class Target:
    """A mono sound ``[samples]`` that others of its length are compared with; ``overlap`` frames begin in a window."""

    def __init__(self, sound: np.ndarray, windows: Sequence[int] = WINDOWS, overlap: int = 4) -> None:
        self.samples = len(sound)
        self._overlap = overlap
        self._scales = []
        for window in windows:
            power = _power(sound, window, overlap)
            peak = float(power.max())
            self._scales.append((window, peak, _decibel(power, peak)))

    def loss(self, sound: np.ndarray) -> float:
        """Distance of a sound ``[samples]`` to the target, dB."""
        distances = []
        for window, peak, wanted in self._scales:
            difference = _decibel(_power(sound, window, self._overlap), peak)
            difference -= wanted
            squares = np.einsum("tf,tf->t", difference, difference) / difference.shape[1]
            distances.append(float(np.sqrt(squares).mean()))
        return float(np.mean(distances))


def _power(sound: np.ndarray, window: int, overlap: int) -> np.ndarray:
    """``[frames, bins]``, Hann, centred, zero-padded."""
    padded = np.pad(np.asarray(sound, np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // overlap]
    spectrum = rfft(frames * _hann(window), axis=1)
    power = spectrum.real**2
    power += spectrum.imag**2
    return power


@cache
def _hann(window: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


def _decibel(power: np.ndarray, peak: float) -> np.ndarray:
    """In place, relative to ``peak``, no lower than ``FLOOR_DB``."""
    if peak == 0:
        return np.full_like(power, FLOOR_DB)
    power *= np.float32(1 / peak)
    np.maximum(power, np.float32(10 ** (FLOOR_DB / 10)), out=power)
    np.log10(power, out=power)
    power *= 10
    return power
