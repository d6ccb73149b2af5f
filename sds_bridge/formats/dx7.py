"""An FM patch as a DX7 voice. What the DX7 can't do is rounded, merged or dropped, and said so."""

from __future__ import annotations

import math
import unicodedata

from sds_bridge.errors import FormatError
from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7_envelope import STILL, Fit, fit_envelope, fit_sweep
from sds_bridge.formats.dx7_pitch import Tuning, tune
from sds_bridge.formats.dx7_report import Report
from sds_bridge.formats.dx7_sysex import NAME_LENGTH, Operator, Voice, write_voice
from sds_bridge.formats.fm_routing import Machine, Routing, Wish, at_full_level, lacking, route, wish_of
from sds_bridge.formats.fm_shape import shapes_of
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7_algorithms import ALGORITHMS
from sds_bridge.synths.dx7_parameters import OPERATORS
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, fm_parameters
from sds_bridge.synths.parameters import check

DX7 = Machine(tuple(ALGORITHMS), laws.FULL_INDEX, laws.full_feedback)
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
    shapes = shapes_of(one, count)
    wish = wish_of(one, shapes)
    routing = at_full_level(route(wish, DX7))
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


def missing(patch: Patch) -> dict[str, dict[str, float]]:
    """What the voice of an fm patch can't hold, each as the patch's values without it (``fm_routing.lacking``)."""
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    one = {key: value[0] for key, value in check(patch, fm_parameters(count)).items()}
    wish = wish_of(one, shapes_of(one, count))
    return lacking(one, wish, route(wish, DX7))


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


def _feedback(one: dict[str, float], routing: Routing, operators: list[Operator]) -> int:
    if routing.feedback is None:
        return 0
    source = routing.slots[routing.feedback].source + 1
    full = laws.full_feedback(routing.algorithm.number) * laws.amplitude(operators[routing.feedback].output_level)
    return min(7, max(1, 7 + round(math.log2(one[f"matrix.{source}.{source}"] / full))))
