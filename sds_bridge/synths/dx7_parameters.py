"""The DX7 voice's declared parameters, as the instrument stores them (read by formats and UI without torch).

Every value is a whole number on the instrument's own grid. ``choice`` parameters name one of a few behaviours, so
they have no slope; the optimiser leaves them as they are.

Reference: Yamaha DX7 Operating Manual, "MIDI data format", VCED.
"""

from __future__ import annotations

from sds_bridge.synths.parameters import Parameter

OPERATORS = 6


def _whole(name: str, high: int, default: int, description: str, choice: bool = False) -> Parameter:
    return Parameter(name, "", 0, high, "linear", default, description, step=1, choice=choice)


def _operator(i: int) -> list[Parameter]:
    """Operator ``i`` in the order of its 21 bytes."""

    def p(name: str, *rest: object, **more: bool) -> Parameter:
        return _whole(f"op{i}.{name}", *rest, **more)  # type: ignore[arg-type]

    return [
        *(p(f"rate{k}", 99, 99, f"speed of the envelope's stage {k}") for k in range(1, 5)),
        *(p(f"level{k}", 99, 0 if k == 4 else 99, f"level that stage {k} ends at") for k in range(1, 5)),
        p("break_point", 99, 39, "key from which levels are scaled; 39 is C3", choice=True),
        p("left_depth", 99, 0, "level scaling below the break point"),
        p("right_depth", 99, 0, "level scaling above the break point"),
        p("left_curve", 3, 0, "0 -lin, 1 -exp, 2 +exp, 3 +lin", choice=True),
        p("right_curve", 3, 0, "0 -lin, 1 -exp, 2 +exp, 3 +lin", choice=True),
        p("rate_scaling", 7, 0, "how much faster high keys are"),
        p("amp_mod_sensitivity", 3, 0, "how far the LFO lowers the level"),
        p("velocity_sensitivity", 7, 0, "how far soft keys lower the level"),
        p("output_level", 99, 99 if i == 1 else 0, "output, or depth of modulation"),
        p("fixed_frequency", 1, 0, "0 a ratio to the note, 1 a frequency of its own", choice=True),
        p("coarse", 31, 1, "ratio: 0 is 1/2, else the harmonic; fixed: 1, 10, 100, 1000 Hz by coarse mod 4"),
        p("fine", 99, 0, "ratio: per cent added; fixed: hundredths of a decade"),
        p("detune", 14, 7, "7 is none"),
    ]


def voice_parameters() -> list[Parameter]:
    """What belongs to the whole voice, in the order of its bytes."""
    return [
        *(_whole(f"pitch.rate{k}", 99, 99, f"speed of the pitch envelope's stage {k}") for k in range(1, 5)),
        *(_whole(f"pitch.level{k}", 99, 50, f"pitch that stage {k} ends at; 50 is none") for k in range(1, 5)),
        _whole("algorithm", 31, 0, "1…32 on the panel", choice=True),
        _whole("feedback", 7, 0, "depth of the feedback"),
        _whole("osc_sync", 1, 1, "operators start at phase 0 with each key", choice=True),
        _whole("lfo.speed", 99, 35, "LFO frequency"),
        _whole("lfo.delay", 99, 0, "time until the LFO is heard"),
        _whole("lfo.pitch_depth", 99, 0, "LFO on pitch"),
        _whole("lfo.amp_depth", 99, 0, "LFO on level"),
        _whole("lfo.sync", 1, 0, "LFO starts with each key", choice=True),
        _whole("lfo.wave", 5, 0, "0 triangle, 1 saw down, 2 saw up, 3 square, 4 sine, 5 sample and hold", choice=True),
        _whole("pitch_mod_sensitivity", 7, 0, "how far the LFO moves the pitch"),
        _whole("transpose", 48, 24, "semitones; 24 is none", choice=True),
    ]


def operator_parameters(i: int) -> list[Parameter]:
    """Operator 1…6, in the order of its bytes."""
    return _operator(i)


def dx7_parameters() -> list[Parameter]:
    """All 145 in the order of the voice's bytes: operator 6 first."""
    return [p for i in range(OPERATORS, 0, -1) for p in _operator(i)] + voice_parameters()
