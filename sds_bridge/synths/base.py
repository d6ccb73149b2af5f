"""What every synth is: declared parameters, and a renderer from their values to stereo sound."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from sds_bridge.patch import Patch
from sds_bridge.synths.parameters import Parameter, check

Values = dict[str, torch.Tensor]


def note_hz(note: float) -> float:
    """Equal temperament, MIDI note 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((note - 69) / 12)


class Synth(ABC):
    """θ → waveform. ``Values`` maps each parameter's name to ``[B, size]`` in the parameter's unit."""

    name: ClassVar[str]
    settings: dict[str, int]
    parameters: list[Parameter]

    @abstractmethod
    def render(
        self,
        values: Values,
        *,
        note: float,
        velocity: int,
        seconds: float,
        hold: float,
        rate: int,
        seed: int = 0,
        reference_note: float = 60,
    ) -> torch.Tensor:
        """Stereo ``[B, 2, round(seconds · rate)]``.

        Args:
            note: MIDI note, 0…127, fractions allowed.
            velocity: 1…127.
            hold: seconds that the key is down.
            seed: of every noise in the sound.
            reference_note: the note that the patch was tuned at (a modal patch's pitch is given there).
        """

    def ringing_seconds(self, values: Values) -> float:
        """How long the first voice goes on after its key is up: 90 dB of its slowest release, decay or room."""
        times = [
            float(values[p.name][0].max())
            for p in self.parameters
            if p.unit == "s" and not re.fullmatch(r"pitch\.\w+|op\d+\.(attack|decay)", p.name)
        ]
        return 1.5 * max(times, default=0.0)

    def positions_from(self, patch: Patch) -> Values:
        """Declared values of a patch as positions ``[1, size]``; raises PatchError where they don't fit."""
        checked = check(patch, self.parameters)
        return {p.name: torch.tensor([[p.to_position(v) for v in checked[p.name]]]) for p in self.parameters}

    def values_from(self, patch: Patch) -> Values:
        """Declared values of a patch, ``[1, size]``, in their units."""
        checked = check(patch, self.parameters)
        return {name: torch.tensor([value]) for name, value in checked.items()}

    def values_at(self, positions: Values) -> Values:
        """Positions 0…1 → values, differentiable."""
        return {p.name: p.to_value(positions[p.name]) for p in self.parameters}

    def patch_of(self, positions: Values, *, name: str, note: int, row: int = 0) -> Patch:
        """One row of a batch as a patch."""
        values = {}
        for p in self.parameters:
            found = [
                min(max(float(v), p.low), p.high) for v in p.to_value(positions[p.name][row].detach().double()).tolist()
            ]
            values[p.name] = found if p.size > 1 else found[0]
        return Patch(synth=self.name, name=name, note=note, settings=self.settings, parameters=values)

    @abstractmethod
    def starting_positions(self, batch: int, seed: int) -> Values:
        """Where tuning starts, ``[B, size]`` each: a plain sound, varied by the seed."""

    @abstractmethod
    def varied_positions(self, batch: int, seed: int) -> Values:
        """Sounds spread over what the synth can do, ``[B, size]`` each (see ``spread.py``)."""


def velocity_gain(velocity: int, amount: torch.Tensor) -> torch.Tensor:
    """Square-law loudness of MIDI velocity, blended in by ``amount`` ``[B, 1]``; 1 at velocity 127."""
    return 1 - amount + amount * (velocity / 127.0) ** 2
