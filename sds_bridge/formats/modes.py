"""A modal patch's modes as numbers."""

from __future__ import annotations

from sds_bridge.synths.modal_parameters import mode_series

NEGLIGIBLE = 1e-5  # −100 dB below the strongest mode

# Hz at the tuned note, seconds to fall 60 dB, amplitude
Mode = tuple[float, float, float]


def mode_frequencies(values: dict[str, list[float]]) -> list[float]:
    """Hz of each mode at the tuned note, from checked values."""
    pitch, spread = values["pitch"][0], values["spread"][0]
    series = mode_series(len(values["modes.residual"]))
    return [pitch * s**spread * 2 ** (r / 12) for s, r in zip(series, values["modes.residual"], strict=True)]


def audible_modes(values: dict[str, list[float]]) -> tuple[list[Mode], list[str]]:
    """The modes that are kept, at the tuned note, and what was dropped."""
    every = list(zip(mode_frequencies(values), values["modes.decay"], values["modes.gain"], strict=True))
    kept = [mode for mode in every if mode[2] > NEGLIGIBLE * max(values["modes.gain"])]
    report = []
    if len(kept) < len(every):
        report.append(f"{len(every) - len(kept)} of {len(every)} modes dropped: 100 dB below the strongest")
    if not kept:
        report.append("no mode is left: only the contact noise sounds")
    return kept, report
