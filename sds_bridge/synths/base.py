"""What every synth is: declared parameters, and a renderer from their values to stereo sound."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from sds_bridge.patch import Patch
from sds_bridge.synths.parameters import Parameter, check
from sds_bridge.synths.reverb import convolve

Values = dict[str, torch.Tensor]

_ROOM_LEVEL = re.compile(r"reverb\.(send|level)")
_FULL_VELOCITY = 127


def note_hz(note: float) -> float:
    """Equal temperament, MIDI note 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((note - 69) / 12)


class Synth(ABC):
    """θ → waveform. ``Values`` maps each parameter's name to ``[B, size]`` in the parameter's unit.

    ``holds`` is whether it matters how long the key is down, ``at_once`` how many notes are cheaper together, and
    ``in_parts`` the samples that :meth:`dry_part` makes at once, 0 for a synth without it.
    """

    name: ClassVar[str]
    holds: ClassVar[bool] = True
    at_once: ClassVar[int] = 1
    in_parts: ClassVar[int] = 0
    settings: dict[str, int]
    parameters: list[Parameter]

    @abstractmethod
    def dry(
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
        """Mono ``[B, round(seconds · rate)]``, before the room. Takes what :meth:`render` takes."""

    def dry_notes(
        self,
        values: Values,
        notes: Sequence[tuple[float, int, float]],
        *,
        seconds: float,
        rate: int,
        seed: int = 0,
        reference_note: float = 60,
    ) -> torch.Tensor:
        """The first voice's :meth:`dry` for each (note, velocity, hold), ``[N, round(seconds · rate)]``."""
        first = {name: value[:1] for name, value in values.items()}
        common: dict[str, Any] = {"seconds": seconds, "rate": rate, "seed": seed, "reference_note": reference_note}
        return torch.cat([self.dry(first, note=n, velocity=v, hold=h, **common) for n, v, h in notes])

    def dry_part(self, values: Values, part: tuple[int, int], **note: Any) -> torch.Tensor:
        """Of what :meth:`dry` gives for the same arguments, only the samples from the first of ``part`` to the second.

        Only of a synth with ``in_parts``. A part that starts at a multiple of it, and ends at one or with the sound, has
        the same bits whatever other parts are asked for.
        """
        raise NotImplementedError(f"{self.name} has no parts")

    def room(self, values: Values, samples: int, rate: int, seed: int) -> torch.Tensor | None:
        """The room's impulse response beside the dry sound, ``[B, 2, samples]``; None for a synth without."""
        return None

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
        dry = self.dry(
            values,
            note=note,
            velocity=velocity,
            seconds=seconds,
            hold=hold,
            rate=rate,
            seed=seed,
            reference_note=reference_note,
        )[:, None]
        room = self.room(values, dry.shape[-1], rate, seed)
        return dry.expand(-1, 2, -1) if room is None else dry + convolve(dry, room)

    def strike(self, values: Values, velocity: int) -> tuple[int, float]:
        """A velocity whose dry sound times a gain is that of ``velocity``: what differs only in loudness is the same."""
        return velocity, 1.0

    def ringing_seconds(self, values: Values) -> float:
        """How long the first dry voice goes on after its key is up: 90 dB of its slowest release or decay."""
        return 1.5 * self._longest(values, r"(?!pitch\.|reverb\.|op\d+\.(attack|decay)).*")

    def room_seconds(self, values: Values) -> float:
        """How long the first voice's room goes on: 90 dB of its slowest band; 0 where it is silent."""
        sounds = any(float(values[p.name][0].max()) > 0 for p in self.parameters if _ROOM_LEVEL.fullmatch(p.name))
        return 1.5 * self._longest(values, r"reverb\..*") if sounds else 0.0

    def _longest(self, values: Values, names: str) -> float:
        times = [
            float(values[p.name][0].max()) for p in self.parameters if p.unit == "s" and re.fullmatch(names, p.name)
        ]
        return max(times, default=0.0)

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


def struck(velocity: int, amount: torch.Tensor) -> tuple[int, float]:
    """:meth:`Synth.strike` of a synth whose velocity is :func:`velocity_gain`."""
    return _FULL_VELOCITY, float(velocity_gain(velocity, amount[:1]))
