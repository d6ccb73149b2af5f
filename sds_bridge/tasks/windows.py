"""Splitting a clip into overlapping windows and joining them again without seams."""

from __future__ import annotations

import numpy as np


def starts(length: int, window: int, overlap: int) -> list[int]:
    """First samples of windows that cover ``length``; the last may reach beyond the end."""
    if length <= window:
        return [0]
    hop = window - overlap
    count = -(-(length - overlap) // hop)
    return [i * hop for i in range(count)]


def fades(length: int, window: int, overlap: int) -> list[np.ndarray]:
    """One weight curve a window, ``[window]``, raised-cosine in the overlaps; they sum to exactly 1 everywhere."""
    begun = starts(length, window, overlap)
    total = np.zeros(begun[-1] + window)
    curves = []
    ramp = np.sin(np.linspace(0, np.pi / 2, overlap + 2)[1:-1]) ** 2
    for i, start in enumerate(begun):
        curve = np.ones(window)
        if i > 0:
            curve[:overlap] = ramp
        if i + 1 < len(begun):
            curve[window - overlap :] = ramp[::-1]
        curves.append(curve)
        total[start : start + window] += curve
    return [curve / total[start : start + window] for curve, start in zip(curves, begun, strict=True)]


def cut(samples: np.ndarray, window: int, overlap: int) -> np.ndarray:
    """``[C, length]`` → ``[windows, C, window]``, the last zero-padded."""
    begun = starts(samples.shape[1], window, overlap)
    padded = np.pad(samples, ((0, 0), (0, max(0, begun[-1] + window - samples.shape[1]))))
    return np.stack([padded[:, s : s + window] for s in begun])


def join(pieces: np.ndarray, length: int, overlap: int) -> np.ndarray:
    """``[windows, C, window]`` → ``[C, length]``: the inverse of :func:`cut` for unchanged pieces."""
    window = pieces.shape[2]
    begun = starts(length, window, overlap)
    out = np.zeros((pieces.shape[1], begun[-1] + window))
    for piece, curve, start in zip(pieces, fades(length, window, overlap), begun, strict=True):
        out[:, start : start + window] += piece * curve
    return out[:, :length]
