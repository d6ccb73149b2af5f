"""The FM synth's declared parameters (read by formats and UI without torch)."""

from __future__ import annotations

from sds_bridge.synths.parameters import Parameter

DEFAULT_OPERATORS = 4
FEEDBACK_SWEEPS = 2  # beyond one an operator
NOISE_LEVEL = 0.3


def fm_parameters(operators: int = DEFAULT_OPERATORS) -> list[Parameter]:
    """Declarations in a fixed order. ``matrix.i.j`` is how far operator j moves operator i's phase."""
    declared = [
        Parameter("pitch.offset", "semitones", -24.0, 24.0, "linear", 0.0, "added to the played note"),
        Parameter("pitch.sweep", "semitones", -36.0, 36.0, "linear", 0.0, "pitch at the onset, relative to the note"),
        Parameter("pitch.decay", "s", 0.005, 1.0, "log", 0.05, "time in which the sweep falls to 1/e"),
    ]
    for i in range(1, operators + 1):
        carrier = i == 1
        declared += [
            Parameter(f"op{i}.ratio", "ratio", 0.5, 16.0, "log", 1.0, "frequency over the note's"),
            Parameter(f"op{i}.detune", "cents", -25.0, 25.0, "linear", 0.0, "fine frequency offset"),
            Parameter(f"op{i}.level", "", 0.0, 1.0, "taper", 0.5 if carrier else 0.0, "amplitude in the output"),
            Parameter(f"op{i}.attack", "s", 0.001, 2.0, "log", 0.005, "time to the peak"),
            Parameter(f"op{i}.decay", "s", 0.005, 8.0, "log", 0.8, "time to fall 60 dB towards the sustain"),
            Parameter(f"op{i}.sustain", "", 0.0, 1.0, "taper", 0.1, "amplitude held while the key is down"),
            Parameter(f"op{i}.release", "s", 0.01, 4.0, "log", 0.3, "time to fall 60 dB after the key is up"),
        ]
    for to in range(1, operators + 1):
        for by in range(1, operators + 1):
            top = 1.2 if to == by else 12.0
            declared.append(
                Parameter(
                    f"matrix.{to}.{by}",
                    "rad",
                    0.0,
                    top,
                    "taper",
                    0.0,
                    f"phase modulation of operator {to} by operator {by}",
                )
            )
    declared += [
        Parameter("noise.level", "", 0.0, 1.0, "taper", 0.0, "white noise in the output"),
        Parameter("noise.decay", "s", 0.01, 8.0, "log", 0.2, "time for the noise to fall 60 dB"),
        Parameter("noise.tone", "Hz", 150.0, 18000.0, "log", 5000.0, "corner of the noise's low-pass"),
        Parameter("reverb.send", "", 0.0, 1.0, "taper", 0.0, "level of the room"),
        Parameter("reverb.time", "s", 0.1, 6.0, "log", 1.0, "time for the room to fall 60 dB"),
        Parameter("reverb.tone", "Hz", 300.0, 12000.0, "log", 4000.0, "above this the room decays faster"),
        Parameter("velocity.amount", "", 0.0, 1.0, "linear", 0.5, "how far velocity lowers the level"),
        Parameter("gain", "", 0.0, 2.0, "taper", 0.7, "output level"),
    ]
    return declared
