"""Opening an exported preset in its real engine, and how far it sounds from the patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sds_bridge.evaluation.metrics import log_spectral_distance, spectrogram_correlation
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Player
from sds_bridge.tasks.engines.catalog import ENGINES

NOTES, VELOCITIES = (36, 60, 84), (60, 110)
PREVIEW_VELOCITY = 100


@dataclass(frozen=True)
class Distance:
    """One note in the engine beside the patch.

    ``decibels`` is the log-spectral distance (1024/2048/4096, floored at −80 dB) after the one gain that fits all
    notes best; ``correlation`` that of the log spectrograms, blind to gain.
    """

    note: int
    velocity: int
    decibels: float
    correlation: float

    def line(self) -> str:
        return f"note {self.note}, velocity {self.velocity}: {self.decibels:.2f} dB, correlation {self.correlation:.3f}"


@dataclass(frozen=True)
class Verdict:
    """``engine`` None: nothing opened the file, and ``reason`` says why. ``preview`` is at the patch's own note."""

    engine: str | None
    distances: list[Distance]
    preview: Distance | None = None
    reason: str = ""

    def lines(self) -> list[str]:
        if self.engine is None or self.preview is None:
            return [f"not verified: {self.reason}"]
        return [
            f"opened and played by {self.engine}; spectral distance to the patch and correlation of spectrograms:",
            *(d.line() for d in self.distances),
            f"the preview, {self.preview.line()}",
        ]


def verify(patch: Patch, to: str, path: Path, notes: Sequence[int] = NOTES) -> Verdict:
    """Play the file in its engine at the patch's own note, and at ``notes`` and two velocities, beside the patch.

    Raises:
        FormatError: the engine refuses the file.
    """
    if to not in ENGINES:
        return Verdict(None, [], reason="no engine is wired up for this format")
    if ENGINES[to].version() is None:
        return Verdict(None, [], reason=ENGINES[to].state())
    with ENGINES[to].opened(path) as play:
        return compare(patch, ENGINES[to].state(), play, notes)


def compare(patch: Patch, engine: str, play: Player, notes: Sequence[int] = NOTES) -> Verdict:
    """As :func:`verify`, for whatever plays the preset."""
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)
    pairs = []
    for note, velocity in [(n, v) for n in notes for v in VELOCITIES] + [(patch.note, PREVIEW_VELOCITY)]:
        options = {"note": note, "velocity": velocity, "reference_note": patch.note}
        with torch.inference_mode():
            ours = synth.render(values, seconds=SECONDS, hold=HOLD, rate=RATE, **options)[0].mean(0).numpy()
        theirs = play(note, velocity)
        length = min(len(ours), len(theirs))
        pairs.append((note, velocity, ours[:length], theirs[:length]))
    energy = [sum(float(np.square(pair[i]).sum()) for pair in pairs) for i in (2, 3)]
    gain = (energy[0] / energy[1]) ** 0.5 if energy[1] > 0 else 1.0
    distances = [Distance(note, velocity, *_compare(ours, theirs * gain)) for note, velocity, ours, theirs in pairs]
    return Verdict(engine, distances[:-1], distances[-1])


def _compare(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Distance in dB and correlation; two silences are alike, one silence is infinitely far."""
    if ours.any():
        return log_spectral_distance(ours, theirs), spectrogram_correlation(ours, theirs)
    return (float("inf"), 0.0) if theirs.any() else (0.0, 1.0)
