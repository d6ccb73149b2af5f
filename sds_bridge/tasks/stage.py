"""A synth at a note, heard through a prior's window."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sds_bridge.distillation.loop import Tensors
from sds_bridge.priors.base import Prior
from sds_bridge.synths.base import Synth

VELOCITY = 100
FULL_SCALE = 0.9
LONGEST_WINDOW = 10.0
HOLD_SHARE = 0.75


@dataclass(frozen=True)
class Stage:
    """Renders positions 0…1 for a listener (:meth:`render`) and for the prior (:meth:`for_prior`)."""

    synth: Synth
    prior: Prior
    note: int
    seconds: float
    seed: int
    reference_note: int

    def render(self, positions: Tensors, rate: int, tail: float = 0.0) -> torch.Tensor:
        """Stereo ``[B, 2, T]`` of the window (and a tail, for listening)."""
        return self.synth.render(
            self.synth.values_at(positions),
            note=self.note,
            velocity=VELOCITY,
            seconds=self.seconds + tail,
            hold=self.seconds * HOLD_SHARE,
            rate=rate,
            seed=self.seed,
            reference_note=self.reference_note,
        )

    def for_prior(self, positions: Tensors) -> torch.Tensor:
        """``[B, prior.channels, T]`` at the prior's rate, its peak at ``FULL_SCALE`` as in the prior's data.

        The prior then judges the sound and not its level, so a tune can't drift into silence.
        """
        stereo = self.render(positions, self.prior.sample_rate)
        heard = stereo.mean(1, keepdim=True) if self.prior.channels == 1 else stereo
        return heard * (FULL_SCALE / heard.abs().amax((1, 2), keepdim=True).clamp(min=1e-5))


def window_seconds(prior: Prior) -> float:
    """The prior's longest window, at most 10 s, in whole latent frames."""
    frames = int(min(prior.longest_seconds, LONGEST_WINDOW) * prior.sample_rate / prior.hop_length)
    return frames * prior.hop_length / prior.sample_rate
