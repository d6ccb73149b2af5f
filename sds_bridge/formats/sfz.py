"""SFZ: a text that maps keys and velocities to samples. It plays any patch as recorded; nothing of the synth is left.

Reference: sfzformat.info (SFZ v1 opcodes and ``loop_crossfade``-free loops; sfizz plays them all).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """One sample and where it plays.

    Args:
        sample: path relative to the .sfz file, with forward slashes.
        key: MIDI note at which it plays as recorded.
        keys, velocities: lowest and highest that it answers, inclusive.
        loop: first and last sample frame of the loop; None plays to the end.
    """

    sample: str
    key: int
    keys: tuple[int, int]
    velocities: tuple[int, int]
    loop: tuple[int, int] | None = None


def spans(points: list[int], low: int, high: int) -> list[tuple[int, int]]:
    """Neighbouring inclusive ranges around sorted points that cover low…high, cut half-way between."""
    edges = [low, *((a + b) // 2 + 1 for a, b in itertools.pairwise(points)), high + 1]
    return [(a, b - 1) for a, b in itertools.pairwise(edges)]


def text(regions: list[Region], name: str, release: float) -> str:
    """The file. Levels are in the samples, so key velocity changes nothing by itself.

    Args:
        release: seconds in which a note fades when its key goes up.
    """
    lines = [
        f"// {''.join(c for c in name if c.isprintable())}: samples of an SDS Bridge patch",
        f"<global> amp_veltrack=0 ampeg_release={release:.4g}",
    ]
    for r in regions:
        loop = "loop_mode=no_loop"
        if r.loop:
            loop = f"loop_mode=loop_continuous loop_start={r.loop[0]} loop_end={r.loop[1]}"
        lines.append(
            f"<region> sample={r.sample} pitch_keycenter={r.key} lokey={r.keys[0]} hikey={r.keys[1]}"
            f" lovel={r.velocities[0]} hivel={r.velocities[1]} {loop}"
        )
    return "\n".join(lines) + "\n"
