"""The training corpus: a folder with ``manifest.csv`` and audio, plus the procedural sounds."""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sds_bridge.starter import procedural

SAMPLE_RATE = 24000
WINDOW = 49152  # samples: 2.048 s
HELD_OUT_PERCENT = 5


@dataclass(frozen=True)
class Clip:
    """One labelled sound: mono float32 ``audio`` of ``WINDOW`` samples, peak-normalised."""

    audio: np.ndarray
    caption: str
    label: str
    package: str
    licence: str
    held_out: bool


def is_held_out(path: str) -> bool:
    """Fixed by the path alone, so that prior and judge never see the same 5 % of clips."""
    return int(hashlib.sha1(path.encode()).hexdigest()[:8], 16) % 100 < HELD_OUT_PERCENT


def fit_window(audio: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """Cut or zero-pad to ``WINDOW`` samples with a short fade at the cut, and peak-normalise."""
    audio = np.asarray(audio, np.float32)[:WINDOW]
    out = np.zeros(WINDOW, np.float32)
    out[: len(audio)] = audio
    fade = 480
    out[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    top = float(np.abs(out).max())
    return out * (peak / top) if top > 0 else out


def unpack(folder: Path) -> None:
    """Extract ``clips-*.tar`` beside the manifest, unless the first listed clip is there already."""
    with open(folder / "manifest.csv", newline="") as file:
        first = next(csv.DictReader(file))["path"]
    if (folder / first).exists():
        return
    for archive in sorted(folder.glob("clips*.tar")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


def read(folder: Path) -> Iterator[Clip]:
    """Clips of a corpus folder in the manifest's order.

    Raises:
        FileNotFoundError: no manifest, or a clip that it names is missing.
        ValueError: a clip is not at 24 kHz.
    """
    unpack(folder)
    with open(folder / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            audio, rate = soundfile.read(folder / row["path"], dtype="float32", always_2d=True)
            if rate != SAMPLE_RATE:
                raise ValueError(f"{row['path']} is at {rate} Hz; the corpus must be at {SAMPLE_RATE} Hz.")
            yield Clip(
                fit_window(audio.mean(1)),
                row["caption"],
                row["class"],
                row["package"],
                row["licence"],
                is_held_out(row["path"]),
            )


def load(folder: Path, procedural_per_class: int = 24, seed: int = 0) -> list[Clip]:
    """The corpus and ``procedural_per_class`` variations of each procedural sound."""
    clips = list(read(folder))
    for sound in procedural.SOUNDS:
        for number in range(procedural_per_class):
            rng = np.random.default_rng([seed, procedural.SOUNDS.index(sound), number])
            audio, caption = sound.make(rng)
            held_out = is_held_out(f"{sound.label}/{number}")
            clips.append(Clip(fit_window(audio), caption, sound.label, "sds-bridge procedural", "CC0", held_out))
    return clips


def class_weights(clips: list[Clip], exponent: float = 0.5, most: int = 64) -> np.ndarray:
    """Sampling probability per clip: a class is drawn in proportion to min(count, most)^exponent."""
    counts = Counter(clip.label for clip in clips)
    weights = np.array([min(counts[c.label], most) ** exponent / counts[c.label] for c in clips])
    return weights / weights.sum()
