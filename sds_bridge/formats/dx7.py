"""An FM patch as a DX7 voice. What the DX7 can't do is rounded, merged or dropped, and said so."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace

import numpy as np

from sds_bridge.errors import FormatError
from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7_envelope import STILL, Fit, Shape, fit_envelope, fit_sweep
from sds_bridge.formats.dx7_pitch import Tuning, tune
from sds_bridge.formats.dx7_report import Report
from sds_bridge.formats.dx7_routing import AUDIBLE_ENERGY, Routing, Wish, route
from sds_bridge.formats.dx7_sysex import NAME_LENGTH, Operator, Voice, write_voice
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7_parameters import OPERATORS
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, fm_parameters
from sds_bridge.synths.parameters import check

Values = dict[str, list[float]]

HOLD = 1.0  # seconds of a held note over which paths and carriers are weighed
VELOCITIES = (40, 64, 90, 127)


def export(patch: Patch, name: str | None = None) -> tuple[bytes, list[str]]:
    """A 163-byte single-voice system-exclusive message, and what was lost on the way in plain words.

    The loudest carrier is written at full level, as a voice has no volume of its own. The same patch always gives
    the same bytes.

    Args:
        patch: of synth ``fm``.
        name: shown on the DX7, ten ASCII characters; the patch's own name if None.

    Raises:
        FormatError: a patch of another synth, or a number of operators that isn't allowed.
        PatchError: values that don't fit the synth.
    """
    voice, report = convert(patch, name)
    return write_voice(voice), report


def convert(patch: Patch, name: str | None = None) -> tuple[Voice, list[str]]:
    """As :func:`export`, as a voice."""
    if patch.synth != "fm":
        raise FormatError(
            f"a DX7 voice needs an fm patch; this one is {patch.synth}. Tune with --synth fm, or export to faust."
        )
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    if not 1 <= count <= 8:
        raise FormatError(f"the patch has {count} operators; allowed is 1 to 8. Tune it again with fewer.")
    values = check(patch, fm_parameters(count))
    one = {key: value[0] for key, value in values.items()}
    shapes = [
        Shape(*(one[f"op{i}.{stage}"] for stage in ("attack", "decay", "sustain", "release")))
        for i in range(1, count + 1)
    ]
    wish = wish_of(one, shapes)
    routing = _at_full_level(route(wish))
    report = Report(one, wish, routing)
    transpose, tunings = _tunings(one, wish, routing, patch.note)
    sensitivity = velocity_sensitivity(one["velocity.amount"])
    operators = []
    for slot in range(OPERATORS):
        if slot not in routing.slots:
            operators.append(Operator())
            continue
        source, carrier = routing.slots[slot].source, slot in routing.algorithm.carriers
        level = max(1, laws.output_level(routing.slots[slot].level))
        fit = fit_envelope(shapes[source], level)
        report.operator(slot, level, fit, tunings[source])
        operators.append(_operator(fit, tunings[source], level, sensitivity if carrier else 0))
    sweep = fit_sweep(one["pitch.sweep"], one["pitch.decay"]) if routing.slots else STILL
    report.sweep(sweep)
    feedback = _feedback(one, routing, operators)
    report.feedback(
        feedback, laws.amplitude(operators[routing.feedback].output_level) if routing.feedback is not None else 0.0
    )
    report.velocity(sensitivity)
    wanted = patch.name if name is None else name
    shown = dx7_name(wanted)
    report.name(wanted, shown)
    voice = Voice(
        operators=tuple(operators),
        pitch_rates=sweep.rates,
        pitch_levels=sweep.levels,
        algorithm=routing.algorithm.number - 1,
        feedback=feedback,
        transpose=transpose,
        name=shown,
    )
    return voice, report.lines()


def wish_of(one: dict[str, float], shapes: list[Shape]) -> Wish:
    """The patch's matrix and carriers, weighed over a note held for :data:`HOLD` seconds and its release."""
    n = len(shapes)
    time = np.linspace(0.0, 2 * HOLD, 401)
    curves = np.stack(
        [s.held(np.minimum(time, HOLD)) * np.exp(-6.907755 * np.maximum(time - HOLD, 0) / s.release) for s in shapes]
    )
    power = curves**2
    matrix = np.array([[one[f"matrix.{to}.{by}"] for by in range(1, n + 1)] for to in range(1, n + 1)])
    factor = np.sqrt(power @ power.T / power.sum(axis=1, keepdims=True))
    level = np.array([one[f"op{i}.level"] for i in range(1, n + 1)])
    energy = level**2 * power.mean(axis=1)
    energy[energy < AUDIBLE_ENERGY * max(float(energy.sum()), 1e-12)] = 0.0
    total, loudest = float(energy.sum()), float(level[energy > 0].max(initial=0.0))
    return Wish(matrix, factor, energy / (total or 1.0), level / (loudest or 1.0))


def velocity_sensitivity(amount: float) -> int:
    """Key velocity sensitivity 0…7 nearest to our law, 1 − amount + amount · (velocity/127)²."""

    def distance(sensitivity: int) -> float:
        off = 0.0
        for velocity in VELOCITIES:
            ours = 20 * math.log10(
                (1 - amount + amount * (velocity / 127) ** 2) / (1 - amount + amount * (100 / 127) ** 2)
            )
            off += (laws.velocity_db(velocity, sensitivity) - ours) ** 2
        return off

    return min(range(8), key=distance)


def dx7_name(name: str) -> str:
    """At most ten printable ASCII characters; accents are taken off, anything else is left out."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain if 32 <= ord(c) < 127)[:NAME_LENGTH].strip() or "SDS BRIDGE"


def _tunings(one: dict[str, float], wish: Wish, routing: Routing, note: int) -> tuple[int, dict[int, Tuning]]:
    used = sorted({slot.source for slot in routing.slots.values()})
    cents = [
        1200 * math.log2(one[f"op{i + 1}.ratio"]) + one[f"op{i + 1}.detune"] + 100 * one["pitch.offset"] for i in used
    ]
    transpose, found = tune(cents, [0.3 + float(wish.energy[i]) for i in used], note)
    return transpose, dict(zip(used, found, strict=True))


def _operator(fit: Fit, tuning: Tuning, level: int, sensitivity: int) -> Operator:
    return Operator(
        rates=fit.rates,
        levels=fit.levels,
        velocity_sensitivity=sensitivity,
        output_level=level,
        coarse=tuning.coarse,
        fine=tuning.fine,
        detune=tuning.detune,
    )


def _at_full_level(routing: Routing) -> Routing:
    """The loudest carrier that found a place at 1."""
    carriers = [slot for slot in routing.slots if slot in routing.algorithm.carriers]
    loudest = max((routing.slots[slot].level for slot in carriers), default=1.0)
    louder = {slot: replace(routing.slots[slot], level=routing.slots[slot].level / loudest) for slot in carriers}
    return replace(routing, slots={**routing.slots, **louder})


def _feedback(one: dict[str, float], routing: Routing, operators: list[Operator]) -> int:
    if routing.feedback is None:
        return 0
    source = routing.slots[routing.feedback].source + 1
    full = laws.full_feedback(routing.algorithm.number) * laws.amplitude(operators[routing.feedback].output_level)
    return min(7, max(1, 7 + round(math.log2(one[f"matrix.{source}.{source}"] / full))))
