"""The one fade that a sampler has for a key that goes up, nearest to what the synth does then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch

from sds_bridge.evaluation.metrics import FLOOR_DB, spectrogram_correlation
from sds_bridge.synths.base import Synth, Values
from sds_bridge.tasks.stage import VELOCITY

RATE = 44_100
# seconds that the key is down, and is listened to after
HOLD, AFTER = 1.0, 1.5
# of level, in correlation
A_DECIBEL = 0.002


class Fade(Protocol):
    """A sampler's release."""

    def gain(self, time: np.ndarray) -> np.ndarray:
        """Amplitude at seconds after the key went up; 1 before."""


F = TypeVar("F", bound=Fade)


def best_fade(synth: Synth, values: Values, note: int, fades: Sequence[F]) -> F:
    """The one of ``fades`` that makes a held note most like the same note let go; the last one where both are the same."""

    def render(hold: float) -> np.ndarray:
        options = {"note": note, "velocity": VELOCITY, "rate": RATE, "reference_note": note}
        with torch.inference_mode():
            return synth.render(values, seconds=HOLD + AFTER, hold=hold, **options)[0].double().mean(0).numpy()

    return nearest(render(HOLD + AFTER), render(HOLD), fades)


def nearest(held: np.ndarray, released: np.ndarray, fades: Sequence[F]) -> F:
    """By correlation of spectrograms, less what the level is off after the key went up; mono, with that at ``HOLD``.

    Correlation alone would rather have silence than a tail whose colour isn't quite that of the patch.
    """
    if not held.any() or np.allclose(held, released):
        return fades[-1]
    time = np.arange(len(held)) / RATE - HOLD
    wanted = _levels(released, released)

    def score(fade: F) -> float:
        faded = held * fade.gain(time)
        off = float(np.abs(_levels(faded, released) - wanted).mean())
        return spectrogram_correlation(released, faded) - A_DECIBEL * off

    return max(fades, key=score)


def _levels(sound: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """dB over the peak of ``beside`` for each hundredth of a second after ``HOLD``, not below ``FLOOR_DB``."""
    frames = sound[round(HOLD * RATE) :].reshape(round(AFTER * 100), -1)
    level = np.sqrt(np.square(frames).mean(1)) / np.abs(beside).max()
    found: np.ndarray = np.maximum(20 * np.log10(level + 1e-12), FLOOR_DB)
    return found
