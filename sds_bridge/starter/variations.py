"""Variations of each training clip: speed, reverb, place in the window, level; and words that follow from the audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from scipy import signal

from sds_bridge.starter.captions import ROOMS
from sds_bridge.starter.corpus import SAMPLE_RATE, WINDOW, Clip, fit_window

VARIATIONS = 5
ATTRIBUTES = ("bright", "dark", "short", "long", "deep", "high", "soft", "late")


@dataclass(frozen=True)
class Variation:
    audio: np.ndarray
    words: tuple[str, ...]


def spectral_centroid(audio: np.ndarray) -> float:
    """Hz, weighted by magnitude over the whole clip."""
    magnitude = np.abs(np.fft.rfft(audio))
    return float((np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE) * magnitude).sum() / (magnitude.sum() + 1e-9))


def effective_seconds(audio: np.ndarray) -> float:
    """Time until 95 % of the energy has passed."""
    energy = np.cumsum(audio.astype(np.float64) ** 2)
    return float(np.searchsorted(energy, 0.95 * energy[-1]) / SAMPLE_RATE)


def describe(clips: list[Clip]) -> list[tuple[str, ...]]:
    """Adjectives a clip: the outer quarters of its own class in brightness and length, and deep/high overall."""
    centroids = np.array([spectral_centroid(c.audio) for c in clips])
    lengths = np.array([effective_seconds(c.audio) for c in clips])
    labels = np.array([c.label for c in clips])
    found: list[list[str]] = [[] for _ in clips]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 8:
            continue
        for values, low, high in ((centroids, "dark", "bright"), (lengths, "short", "long")):
            bottom, top = np.quantile(values[members], [0.25, 0.75])
            if top < 1.15 * bottom:
                continue
            for i in members:
                if values[i] <= bottom:
                    found[i].append(low)
                    if low == "dark" and values[i] < 1500:
                        found[i].append("deep")
                elif values[i] >= top:
                    found[i].append(high)
    return [tuple(f) for f in found]


def room(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dry sound plus its convolution with exponentially decaying, slowly darkening noise."""
    seconds = rng.uniform(0.4, 2.2)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * np.exp(-6.91 * t / seconds)
    tail = signal.sosfilt(signal.butter(1, rng.uniform(2500, 9000), fs=SAMPLE_RATE, output="sos"), tail)
    wet = signal.fftconvolve(audio, tail / np.sqrt((tail**2).sum()))[:WINDOW]
    return audio + rng.uniform(0.3, 0.8) * wet


def vary(clip: Clip, adjectives: tuple[str, ...], number: int, rng: np.random.Generator) -> Variation:
    """Variation 0 is the clip itself; 1 and 3 play it faster or slower, 2 and 3 put it in a room,
    4 moves it within the window and lowers it, as a source in a mixture may be."""
    audio, words = clip.audio, adjectives
    if number in (1, 3):
        speed = 2 ** rng.uniform(-0.25, 0.25)
        audio = soxr.resample(audio, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
        words = tuple(w for w in words if w not in ("deep", "high"))
    if number in (2, 3):
        audio = room(fit_window(audio), rng)
        words = (*words, str(rng.choice(ROOMS)))
    if number == 4:
        if effective_seconds(audio) > 1.2:
            audio = np.roll(audio, int(rng.integers(WINDOW)))
        else:
            audio = np.concatenate([np.zeros(int(rng.uniform(0.05, 1.0) * SAMPLE_RATE), np.float32), audio])
            words = (*words, "late")
        return Variation(fit_window(audio, 0.9 * 10 ** rng.uniform(-0.6, 0)), words)
    return Variation(fit_window(audio), words)
