"""An FM patch's chip voice, moved on the chip's own whole numbers towards the preview.

The mapping of ``formats`` fits every operator by itself, and what it rounds adds up in the sound. From there a
coordinate search renders the voice in its engine and keeps each step that raises the correlation of spectrograms with
the patch. It ends after a count of renders, not by the clock: the same patch gives the same voice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sds_bridge.evaluation.metrics import FLOOR_DB, magnitudes
from sds_bridge.formats import dx7_sysex, dx7_voice, opm_laws, opm_voice
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS

VELOCITY = 100
WINDOW = 2048
RENDERS = {"opm": 400, "dx7": 400}
LEAST_GAIN = 1e-5
# how far a number is moved at first, then
STRIDES = (3, 1)
DRAWN = (-4, -2, -1, 1, 2, 4)


@dataclass(frozen=True)
class Knob:
    """One whole number of a voice, 0…``top``; ``unit`` is the least change that can be heard."""

    where: tuple[Any, ...]
    top: int
    unit: int = 1


@dataclass(frozen=True)
class Refined:
    """``before`` and ``after`` are correlations of spectrograms with the preview at the patch's note."""

    voice: Any
    before: float
    after: float
    renders: int


class Likeness:
    """Correlation of log spectrograms with one sound, as :func:`~sds_bridge.evaluation.metrics.spectrogram_correlation`."""

    def __init__(self, reference: np.ndarray) -> None:
        self.samples = len(reference)
        self._centred = self._of(reference)

    def __call__(self, sound: np.ndarray) -> float:
        """0 for a silence, or beside one."""
        fitted = np.pad(sound, (0, max(0, self.samples - len(sound))))[: self.samples]
        found = self._of(fitted)
        scale = float(self._centred.norm() * found.norm())
        return float(self._centred @ found) / scale if scale > 0 else 0.0

    @staticmethod
    def _of(sound: np.ndarray) -> torch.Tensor:
        level = magnitudes(torch.from_numpy(np.asarray(sound, np.float32))[None], WINDOW)
        decibel = (
            (20 * torch.log10(level / level.max().clamp(min=1e-20) + 1e-20)).clamp(min=FLOOR_DB).flatten().double()
        )
        return decibel - decibel.mean()


def search(
    voice: Any,
    knobs: Sequence[Knob],
    get: Callable[[Any, Knob], int],
    put: Callable[[Any, Knob, int], Any],
    score: Callable[[Any], float],
    renders: int,
) -> Refined:
    """Each knob in turn a stride up or down, and on as long as it helps; then two or three at once, as drawn."""
    before = best = score(voice)
    spent = 1

    def better(trial: Any) -> bool:
        nonlocal voice, best, spent
        found, spent = score(trial), spent + 1
        if found < best + LEAST_GAIN:
            return False
        voice, best = trial, found
        return True

    def along(knob: Knob, step: int) -> bool:
        moved = False
        while (
            spent < renders and 0 <= (value := get(voice, knob) + step) <= knob.top and better(put(voice, knob, value))
        ):
            moved = True
        return moved

    for stride in STRIDES:
        helped = True
        while helped and spent < renders:
            helped = False
            for knob in knobs:
                helped |= along(knob, stride * knob.unit) or along(knob, -stride * knob.unit)
    rng = np.random.default_rng(0)
    while spent < renders and len(knobs) > 1:
        trial = voice
        for place in rng.choice(len(knobs), size=min(int(rng.integers(2, 4)), len(knobs)), replace=False):
            knob = knobs[place]
            step = int(rng.choice(DRAWN)) * knob.unit
            trial = put(trial, knob, min(max(get(trial, knob) + step, 0), knob.top))
        better(trial)
    return Refined(voice, before, best, spent)


def preview(patch: Patch) -> np.ndarray:
    """Mono, as engines play a note (``engines/base.py``)."""
    synth = make_synth(patch.synth, patch.settings)
    options = {"note": patch.note, "velocity": VELOCITY, "reference_note": patch.note}
    with torch.inference_mode():
        sound = synth.render(synth.values_from(patch), seconds=SECONDS, hold=HOLD, rate=RATE, **options)
    return sound[0].mean(0).numpy()


def refine_opm(patch: Patch, voice: opm_voice.Voice, renders: int | None = None) -> Refined:
    """In ymfm; raises ImportError without it."""
    from sds_bridge.tasks.engines import ymfm

    cents, choices = opm_laws.ratios()
    ratios = [choices[i] for i in np.argsort(cents, kind="stable")]
    used = [slot for slot, o in enumerate(voice.operators) if o.tl < opm_voice.SILENT]
    knobs = [Knob((slot, name), top) for name, top in _OPM_KNOBS for slot in used]
    if voice.feedback:
        knobs.insert(0, Knob(("feedback",), 7))

    def get(v: opm_voice.Voice, knob: Knob) -> int:
        if knob.where == ("feedback",):
            return v.feedback
        operator = v.operators[knob.where[0]]
        return (
            ratios.index((operator.mul, operator.dt2)) if knob.where[1] == "ratio" else getattr(operator, knob.where[1])
        )

    def put(v: opm_voice.Voice, knob: Knob, value: int) -> opm_voice.Voice:
        if knob.where == ("feedback",):
            return replace(v, feedback=value)
        slot, name = knob.where
        changed = {"mul": ratios[value][0], "dt2": ratios[value][1]} if name == "ratio" else {name: value}
        operators = [replace(o, **changed) if i == slot else o for i, o in enumerate(v.operators)]
        return replace(v, operators=tuple(operators))

    likeness = Likeness(preview(patch))
    return search(voice, knobs, get, put, lambda v: likeness(ymfm.play(v, patch.note)), renders or RENDERS["opm"])


# the release first, for it is coarsest
_OPM_KNOBS = (
    ("rr", 15),
    ("tl", opm_voice.SILENT - 1),
    ("d1r", 31),
    ("d2r", 31),
    ("d1l", 15),
    ("ar", 31),
    ("ratio", 63),
)


def refine_dx7(patch: Patch, voice: dx7_sysex.Voice, renders: int | None = None) -> Refined:
    """In our DX7, which plays as Dexed does."""
    synth = DX7Synth()
    used = [i for i, o in enumerate(voice.operators) if o.output_level > 0]
    knobs = [Knob(("operators", i, name, k), 99, 1 if k is None else 2) for name, k in _DX7_KNOBS for i in used]
    if voice.feedback:
        knobs.insert(0, Knob(("feedback",), 7))
    if voice.pitch_levels[0] != 50:
        knobs += [
            Knob((name, k), 99)
            for name, k in (("pitch_rates", 0), ("pitch_rates", 1), ("pitch_levels", 0), ("pitch_levels", 3))
        ]

    def get(v: dx7_sysex.Voice, knob: Knob) -> int:
        found: Any = v
        for part in knob.where:
            found = found if part is None else found[part] if isinstance(part, int) else getattr(found, part)
        return int(found)

    def put(v: Any, knob: Knob, value: int) -> Any:
        return _changed(v, [part for part in knob.where if part is not None], value)

    likeness = Likeness(preview(patch))

    def score(v: dx7_sysex.Voice) -> float:
        options: dict[str, Any] = {"note": patch.note, "velocity": VELOCITY, "seconds": SECONDS, "hold": HOLD}
        with torch.inference_mode():
            sound = synth.dry(synth.values_from(dx7_voice.patch_of(v)), rate=RATE, **options)
        return likeness(sound[0].numpy())

    return search(voice, knobs, get, put, score, renders or RENDERS["dx7"])


_DX7_KNOBS: tuple[tuple[str, int | None], ...] = (
    ("rates", 3), ("output_level", None), ("rates", 1), ("rates", 2), ("levels", 1), ("levels", 2), ("rates", 0),
)  # fmt: skip


def _changed(thing: Any, path: list[Any], value: int) -> Any:
    """A frozen voice with the number at a path of fields and places replaced."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return tuple(_changed(x, rest, value) if i == first else x for i, x in enumerate(thing))
    return replace(thing, **{first: _changed(getattr(thing, first), rest, value)})
