"""Spectrogram pictures: what a person looks at first."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

# a picture of a long clip has no more columns to show, and would take gigabytes
MOST_FRAMES = 2000


def spectrogram(axes: Axes, samples: np.ndarray, rate: int, title: str) -> None:
    """Log-frequency spectrogram of ``[channels, length]``, 80 dB below the clip's peak."""
    mono = np.asarray(samples).mean(0)
    if not np.any(mono):
        mono = mono + 1e-9
    window = 2048
    padded = np.pad(mono, window // 2)
    hop = max(window // 8, mono.size // MOST_FRAMES)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)).T
    decibels = 20 * np.log10(np.maximum(magnitude, 1e-9))
    decibels -= decibels.max()
    time = np.arange(frames.shape[0]) * hop / rate
    axes.pcolormesh(time, np.fft.rfftfreq(window, 1 / rate), decibels, vmin=-80, vmax=0, cmap="magma", rasterized=True)
    axes.set_yscale("log")
    axes.set_ylim(40, min(rate / 2, 16000))
    axes.set_yticks([50, 100, 200, 500, 1000, 2000, 5000, 10000], ["50", "100", "200", "500", "1k", "2k", "5k", "10k"])
    axes.minorticks_off()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("seconds")


def panels(path: Path, clips: list[tuple[str, np.ndarray]], rate: int, title: str) -> Path:
    """One spectrogram a clip, side by side, written beside and renamed to ``path`` (PNG)."""
    figure, axes = plt.subplots(1, len(clips), figsize=(4.2 * len(clips) + 0.8, 3.6), sharey=True, squeeze=False)
    for place, (name, samples) in zip(axes[0], clips, strict=True):
        spectrogram(place, samples, rate, name)
    axes[0][0].set_ylabel("Hz")
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    beside = path.with_name(f".{path.stem}.{os.getpid()}.png")
    figure.savefig(beside, dpi=110)
    plt.close(figure)
    os.replace(beside, path)
    return path
