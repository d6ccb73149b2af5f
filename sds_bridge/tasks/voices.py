"""The voices of a song: each rendered dry, once for all notes that sound alike."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sds_bridge.synths.base import Synth, Values
from sds_bridge.tasks.midi import Note

# pitch, velocity, and hold in 0.1 ms
Key = tuple[int, int, int]
# "held", pitch, velocity, and samples of the sound whose first part it is
HeldKey = tuple[str, int, int, int]
CACHE_BYTES = 256 * 2**20
INAUDIBLE = 10 ** (-90 / 20)
FADE_SECONDS = 0.005
# samples of voices that are rendered together
MOST_AT_ONCE = 2**23
# voices up to here are rendered at a few lengths only, so that noises and their spectra are made once
MOST_ROUNDED = 2**21
# voices in parts up to here have one noise; longer ones one each length
SHARED_NOISE = 2**19


class Voices:
    """Renders notes, and keeps the latest renders up to ``CACHE_BYTES`` for notes that repeat.

    A voice is dry, float32 ``[samples]``, cut where it has become inaudible and faded out over ``FADE_SECONDS``. Its
    bits don't depend on which notes came before it.
    """

    def __init__(self, synth: Synth, values: Values, *, reference_note: int, ring: float, rate: int, seed: int) -> None:
        self.synth, self.values = synth, values
        self.ring, self.rate = ring, rate
        self._common: dict[str, Any] = {"rate": rate, "seed": seed, "reference_note": reference_note}
        self.rendered = 0
        self._kept: OrderedDict[Key | HeldKey, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._struck: dict[int, tuple[int, float]] = {}

    def of(self, note: Note, ahead: Sequence[Note] = ()) -> tuple[np.ndarray, float]:
        """Its voice and the gain to play that with; some of those ``ahead`` may be rendered with it.

        Lengths are alike when they are to 0.1 ms.
        """
        key, gain = self._key(note)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key], gain
        found = self._render(self._alike(key, ahead))
        for other in list(found)[::-1]:  # this one last, and so the last to be forgotten
            self._keep(other, found[other])
        return found[key], gain

    def _keep(self, key: Key | HeldKey, sound: np.ndarray) -> None:
        """As the latest, in place of what was kept by that key."""
        self._bytes += sound.nbytes - (self._kept.pop(key).nbytes if key in self._kept else 0)
        self._kept[key] = sound
        while self._bytes > CACHE_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

    def _key(self, note: Note) -> tuple[Key, float]:
        if note.velocity not in self._struck:
            self._struck[note.velocity] = self.synth.strike(self.values, note.velocity)
        velocity, gain = self._struck[note.velocity]
        return (note.pitch, velocity, round(note.seconds * 10_000) if self.synth.holds else 0), gain

    def _alike(self, key: Key, ahead: Sequence[Note]) -> list[Key]:
        """``key`` and others that are about as long and not there yet, as many as the synth likes at once."""
        most = min(self.synth.at_once, MOST_AT_ONCE // self._length(key))
        found = {key: None}
        for note in ahead:
            if len(found) >= most:
                break
            other, _ = self._key(note)
            if other not in self._kept and self._length(other) == self._length(key):
                found[other] = None
        return list(found)

    def _length(self, key: Key) -> int:
        return rounded_up(self._samples(key))

    def _samples(self, key: Key) -> int:
        return round((key[2] / 10_000 + self.ring) * self.rate)

    @torch.inference_mode()
    def _render(self, keys: list[Key]) -> dict[Key, np.ndarray]:
        """Keys of one length."""
        self.rendered += len(keys)
        if self.synth.in_parts:
            return {key: self._cut(self._joined(key)) for key in keys}
        sounds = self.synth.dry_notes(
            self.values,
            [(pitch, velocity, hold / 10_000) for pitch, velocity, hold in keys],
            seconds=self._length(keys[0]) / self.rate,
            **self._common,
        )
        return {key: self._cut(sounds[i, : self._samples(key)].float().numpy()) for i, key in enumerate(keys)}

    def _joined(self, key: Key) -> np.ndarray:
        """While a key is down it sounds the same however long it stays down: that is made once, and each release.

        So it is among notes that are parts of sounds of one length, which have the same noise: all up to
        ``SHARED_NOISE`` samples, and longer ones that :func:`rounded_up` makes equal.
        """
        pitch, velocity, hold = key
        samples = self._samples(key)
        up = min(math.ceil(hold / 10_000 * self.rate), samples)
        length = max(SHARED_NOISE, self._length(key))
        seconds = length / self.rate
        first = {name: value[:1] for name, value in self.values.items()}

        def part(start: int, stop: int, hold: float) -> np.ndarray:
            note = {"note": pitch, "velocity": velocity, "seconds": seconds, "hold": hold, **self._common}
            return self.synth.dry_part(first, (start, stop), **note)[0].float().numpy()

        name = ("held", pitch, velocity, length)
        held = self._kept.get(name, np.empty(0, np.float32))
        if len(held) < up:
            pieces = math.ceil(up / self.synth.in_parts)
            held = np.concatenate([held, part(len(held), min(pieces * self.synth.in_parts, length), seconds)])
        if length <= MOST_ROUNDED:
            self._keep(name, held)
        return np.concatenate([held[:up], part(up, samples, hold / 10_000)])

    def _cut(self, voice: np.ndarray) -> np.ndarray:
        level = np.abs(voice)
        audible = np.flatnonzero(level > INAUDIBLE * level.max(initial=0.0))
        return faded(voice[: audible[-1] + 1 if len(audible) else 0].copy(), self.rate)


def rounded_up(samples: int) -> int:
    """To the next power of two, or one and a half times one."""
    if samples > MOST_ROUNDED:
        return samples
    power = 1 << max(samples - 1, 1).bit_length()
    return power * 3 // 4 if samples <= power * 3 // 4 else power


def faded(sound: np.ndarray, rate: int) -> np.ndarray:
    """To nothing over its last ``FADE_SECONDS``, in place."""
    fade = min(round(FADE_SECONDS * rate), sound.shape[-1])
    sound[..., sound.shape[-1] - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound
