"""SFZ: a text that maps keys and velocities to samples. It plays any patch as recorded; nothing of the synth is left.

Reference: sfzformat.info (SFZ v1 opcodes and ``loop_crossfade``-free loops; sfizz plays them all).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sds_bridge.audio import to_decibel

# of what a velocity makes of a sample; SFZ goes 144 dB down
QUIETEST = 1e-6


@dataclass(frozen=True)
class Region:
    """One sample and where it plays.

    Args:
        sample: path relative to the .sfz file, with forward slashes.
        key: MIDI note at which it plays as recorded.
        keys, velocities: lowest and highest that it answers, inclusive.
        gains: amplitude over the sample's at MIDI velocities, the first and last of ``velocities`` among them; between
            them it goes in a line.
        loop: first and last sample frame of the loop; None plays to the end.
    """

    sample: str
    key: int
    keys: tuple[int, int]
    velocities: tuple[int, int]
    gains: dict[int, float]
    loop: tuple[int, int] | None = None


@dataclass(frozen=True)
class Release:
    """``ampeg_release``, 0.01…20 s: sfizz falls by e⁻⁹ (78 dB) in that time."""

    seconds: float

    def gain(self, time: np.ndarray) -> np.ndarray:
        """Amplitude at seconds after the key went up."""
        found: np.ndarray = np.exp(-9 * np.maximum(time, 0) / self.seconds)
        return found


def spans(points: list[int], low: int, high: int) -> list[tuple[int, int]]:
    """Neighbouring inclusive ranges around sorted points that cover low…high, cut half-way between."""
    edges = [low, *((a + b) // 2 + 1 for a, b in itertools.pairwise(points)), high + 1]
    return [(a, b - 1) for a, b in itertools.pairwise(edges)]


def text(regions: list[Region], name: str, release: float) -> str:
    """The file. ``amp_velcurve`` ends at 1, so that a gain above is a region's volume.

    Args:
        release: seconds in which a note fades when its key goes up.
    """
    lines = [
        f"// {''.join(c for c in name if c.isprintable())}: samples of an SDS Bridge patch",
        f"<global> amp_veltrack=100 ampeg_release={release:.4g}",
    ]
    for r in regions:
        loop = "loop_mode=no_loop"
        if r.loop:
            loop = f"loop_mode=loop_continuous loop_start={r.loop[0]} loop_end={r.loop[1]}"
        most = max(*r.gains.values(), QUIETEST)
        curve = " ".join(f"amp_velcurve_{velocity}={gain / most:.5g}" for velocity, gain in sorted(r.gains.items()))
        lines.append(
            f"<region> sample={r.sample} pitch_keycenter={r.key} lokey={r.keys[0]} hikey={r.keys[1]}"
            f" lovel={r.velocities[0]} hivel={r.velocities[1]} volume={to_decibel(most):.4g} {curve} {loop}"
        )
    return "\n".join(lines) + "\n"
