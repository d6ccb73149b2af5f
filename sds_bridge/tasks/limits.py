"""What a format can't hold of an FM patch, as numbers: how like the preview the patch itself stays without it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sds_bridge.patch import Patch
from sds_bridge.tasks.refine import Likeness, Refined, preview

# a likeness that needs no explanation
LIKE = 0.98
LEAST = 0.0005
REST = "envelopes, sweeps and levels, in steps and of other shapes than the patch's"


Output = Callable[[np.ndarray], np.ndarray]


def explain(
    patch: Patch, missing: dict[str, dict[str, float]], refined: Refined, engine: str, output: tuple[str, Output] | None
) -> list[str]:
    """The fit in a line, and below :data:`LIKE` one on what is missing, each part alone.

    Args:
        missing: in plain words, each as the patch's values without it.
        engine: what played the voice.
        output: what the instrument does to any sound, in plain words and as that.
    """
    found = [
        f"then fitted in {engine}, so levels, times and ratios may differ from those above: the correlation of"
        f" spectrograms with the preview rose from {refined.before:.3f} to {refined.after:.3f} ({refined.renders} tries)"
    ]
    if refined.after >= LIKE:
        return found
    likeness = Likeness(preview(patch))

    def without(changes: dict[str, float]) -> float:
        return likeness(preview(patch.model_copy(update={"parameters": {**patch.parameters, **changes}})))

    parts = {f"without {title}": without(changes) for title, changes in missing.items()}
    if output is not None:
        parts[f"through {output[0]}"] = likeness(output[1](preview(patch)))
    told = [
        f"{title} {value:.3f}" for title, value in sorted(parts.items(), key=lambda part: part[1]) if value < 1 - LEAST
    ]
    if told:
        found.append(f"why not {LIKE}: even the patch itself has {', '.join(told)}; the rest is {REST}")
    else:
        found.append(f"why not {LIKE}: {REST}")
    return found
