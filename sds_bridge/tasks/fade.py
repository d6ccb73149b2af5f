"""The one fade that a sampler has for a key that goes up, nearest to what the synth does then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch

from sds_bridge.evaluation.metrics import spectrogram_correlation
from sds_bridge.synths.base import Synth, Values
from sds_bridge.tasks.stage import VELOCITY

RATE = 44_100
# seconds that the key is down, and is listened to after
HOLD, AFTER = 1.0, 1.5


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
    """By correlation of spectrograms; mono, with the key up after ``HOLD``."""
    if not held.any() or np.allclose(held, released):
        return fades[-1]
    time = np.arange(len(held)) / RATE - HOLD
    return max(fades, key=lambda fade: spectrogram_correlation(released, held * fade.gain(time)))
