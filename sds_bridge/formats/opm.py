"""An FM patch as a voice of the YM2151. What the chip can't do is rounded, merged or dropped, and said so."""

from __future__ import annotations

import math

import numpy as np

from sds_bridge.formats import opm_laws as laws
from sds_bridge.formats.fm_routing import Routing, Wish, at_full_level, lacking, route, wish_of
from sds_bridge.formats.fm_shape import shapes_of
from sds_bridge.formats.opm_envelope import Fit, fit_envelope
from sds_bridge.formats.opm_voice import NAMES, Operator, Voice, write
from sds_bridge.patch import Patch
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, fm_parameters
from sds_bridge.synths.parameters import check

INAUDIBLE = 1e-3
LONGEST_NAME = 32
AUDIBLE_CENTS = 15.0


def export(patch: Patch) -> tuple[str, list[str]]:
    """The .opm text, and what was lost on the way in plain words. The same patch always gives the same text.

    Raises:
        PatchError: values that don't fit the synth.
    """
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    one = {name: value[0] for name, value in check(patch, fm_parameters(count)).items()}
    shapes = shapes_of(one, count)
    wish = wish_of(one, shapes)
    routing = at_full_level(route(wish, laws.OPM))
    cents, choices = laws.ratios()
    operators, fits, errors = [Operator()] * 4, {}, {}
    for slot, placed in routing.slots.items():
        i = placed.source + 1
        fit = fits[i] = fit_envelope(shapes[placed.source], patch.note)
        wanted = 1200 * math.log2(one[f"op{i}.ratio"]) + one[f"op{i}.detune"] + 100 * one["pitch.offset"]
        nearest = int(np.argmin(np.abs(cents - wanted)))
        errors[i] = float(cents[nearest]) - wanted
        operators[slot] = Operator(
            ar=fit.attack,
            d1r=fit.first,
            d2r=fit.second,
            rr=fit.release,
            d1l=fit.level,
            tl=total_level(placed.level),
            mul=choices[nearest][0],
            dt2=choices[nearest][1],
        )
    feedback = 0
    if routing.feedback is not None:
        source = routing.slots[routing.feedback].source + 1
        loudness = 10 ** (-laws.TL_DB * operators[routing.feedback].tl / 20)
        feedback = nearest_feedback(one[f"matrix.{source}.{source}"] / loudness)
    name = "".join(c for c in patch.name if c.isprintable())[:LONGEST_NAME].strip() or "SDS Bridge"
    voice = Voice(name, routing.algorithm.number - 1, feedback, tuple(operators))
    return write(voice), _report(one, wish, routing, feedback, fits, errors)


def missing(patch: Patch) -> dict[str, dict[str, float]]:
    """What the voice can't hold, each as the patch's values without it (``fm_routing.lacking``)."""
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    ops = range(1, count + 1)
    one = {name: value[0] for name, value in check(patch, fm_parameters(count)).items()}
    wish = wish_of(one, shapes_of(one, count))
    found = lacking(one, wish, route(wish, laws.OPM))
    if one["pitch.sweep"]:
        found["the pitch sweep"] = {"pitch.sweep": 0.0}
    cents, _ = laws.ratios()
    wanted = np.array(
        [1200 * math.log2(one[f"op{i}.ratio"]) + one[f"op{i}.detune"] + 100 * one["pitch.offset"] for i in ops]
    )
    given = cents[np.abs(cents[None] - wanted[:, None]).argmin(1)]
    if np.abs(given - wanted).max() > 1:
        ratios = {f"op{i}.ratio": min(16.0, 2 ** (float(given[i - 1]) / 1200)) for i in ops}
        found["ratios between the chip's 64"] = {"pitch.offset": 0.0, **ratios, **{f"op{i}.detune": 0.0 for i in ops}}
    return found


def total_level(amplitude: float) -> int:
    """TL, 0…127, nearest to an amplitude over full level."""
    if amplitude <= 0:
        return 127
    return int(np.clip(round(-20 * math.log10(amplitude) / laws.TL_DB), 0, 127))


def nearest_feedback(index: float) -> int:
    """FL 1…7 nearest to an index in rad."""
    return min(range(1, 8), key=lambda level: abs(math.log(laws.feedback_index(level) / index)))


def _report(
    one: dict[str, float], wish: Wish, routing: Routing, feedback: int, fits: dict[int, Fit], errors: dict[int, float]
) -> list[str]:
    if not routing.slots:
        return ["no operator reaches the output: the voice is silent"]
    parts = [f"{NAMES[slot]} = operator {placed.source + 1}" for slot, placed in sorted(routing.slots.items())]
    found = [f"connection {routing.algorithm.number - 1}: {', '.join(parts)}"]
    found += _dropped(wish, routing)
    if abs(one["pitch.sweep"]) >= 0.05:
        found.append(f"pitch sweep of {one['pitch.sweep']:+.1f} semitones dropped: the voice has no pitch envelope")
    if one["noise.level"] > INAUDIBLE:
        found.append(f"noise (level {one['noise.level']:.2g}) dropped")
    if one["reverb.send"] > INAUDIBLE:
        found.append(f"room (send {one['reverb.send']:.2g}) dropped")
    off, tuned = max((abs(error), i) for i, error in errors.items())
    decay, shaped = max((fit.decay_db, i) for i, fit in fits.items())
    _, held, ratio = max((abs(math.log(fit.release_ratio)), i, fit.release_ratio) for i, fit in fits.items())
    found += [
        f"pitch within {off:.0f} cents (operator {tuned} is farthest): the chip has 64 ratios"
        + (", and the sound will differ by ear" if off > AUDIBLE_CENTS else ""),
        f"decays within {decay:.1f} dB on average (operator {shaped} is farthest); attacks rise exponentially, not in a line",
        f"release of operator {held} is {100 * (ratio - 1):+.0f} %, the farthest",
        "levels within 0.4 dB; the loudest operator is written at full level, and key velocity is left to the player",
        "the chip's converter has ten bits: a hiss about 70 dB under the sound is its own",
    ]
    if feedback and routing.feedback is not None:
        found.append(f"feedback of operator {routing.slots[routing.feedback].source + 1} became level {feedback} of 7")
    return found


def _dropped(wish: Wish, routing: Routing) -> list[str]:
    """Carriers and audible paths without a place."""
    found = []
    carriers = {routing.slots[s].source for s in routing.algorithm.carriers if s in routing.slots}
    for op, share in enumerate(wish.energy):
        if share and op not in carriers:
            found.append(f"operator {op + 1}'s own sound ({100 * share:.0f} % of the energy) dropped: no carrier left")
    there = {(to, by) for _, to, by in routing.paths()}
    used = {placed.source for placed in routing.slots.values()}
    for to in sorted(used):
        for by in range(len(wish.energy)):
            if wish.audible(to, by) and (to, by) not in there:
                index = float(wish.matrix[to, by])
                found.append(
                    f"modulation of operator {to + 1} by operator {by + 1} ({index:.2f} rad) dropped: no place"
                )
    return found
