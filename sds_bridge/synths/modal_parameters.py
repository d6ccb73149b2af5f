"""The modal synth's declared parameters (read by formats and UI without torch)."""

from __future__ import annotations

from sds_bridge.synths.parameters import Parameter

DEFAULT_MODES = 128
REVERB_BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)


def modal_parameters(modes: int = DEFAULT_MODES) -> list[Parameter]:
    """Declarations in a fixed order. A mode's frequency is pitch · series · 2^(residual/12)."""
    bands = len(REVERB_BANDS_HZ)
    return [
        Parameter("pitch", "Hz", 30.0, 3000.0, "log", 250.0, "frequency of the lowest mode at the tuned note"),
        Parameter("spread", "", 0.3, 2.0, "log", 1.0, "exponent that stretches the series of modes"),
        Parameter("modes.residual", "semitones", -12.0, 12.0, "linear", 0.0, "each mode's own offset", modes),
        Parameter("modes.decay", "s", 0.01, 6.0, "log", 0.4, "time for each mode to fall 60 dB", modes),
        Parameter("modes.gain", "", 0.0, 1.0, "taper", 0.02, "each mode's amplitude", modes),
        Parameter("strike.level", "", 0.0, 1.0, "taper", 0.05, "noise of the contact"),
        Parameter("strike.decay", "s", 0.002, 0.5, "log", 0.02, "time for the contact noise to fall 60 dB"),
        Parameter("strike.tone", "Hz", 150.0, 18000.0, "log", 4000.0, "corner of the contact noise's low-pass"),
        Parameter("reverb.level", "", 0.0, 1.0, "taper", 0.02, "level of each band of the room", bands),
        Parameter("reverb.decay", "s", 0.05, 6.0, "log", 0.6, "time for each band to fall 60 dB", bands),
        Parameter("velocity.amount", "", 0.0, 1.0, "linear", 0.5, "how far velocity lowers the level"),
        Parameter("gain", "", 0.0, 2.0, "taper", 0.7, "output level"),
    ]


def mode_series(modes: int) -> list[float]:
    """Frequencies of the modes over the lowest one's: (k + 1)^1.05, k = 0…modes − 1, slightly stretched harmonics."""
    return [(k + 1) ** 1.05 for k in range(modes)]
