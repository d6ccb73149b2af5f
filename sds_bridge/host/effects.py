"""pedalboard's own effects: their names, and long sounds through them in a child process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pedalboard

# samples that are processed together: what fits into a processor's cache
PIECE = 1 << 16
NOT_EFFECTS = ("Plugin", "PluginContainer", "ExternalPlugin", "Pedalboard", "Chain", "Mix", "VST3Plugin")


def built_in_effects() -> list[str]:
    """Names of pedalboard's own effects."""
    kinds = {name: getattr(pedalboard, name) for name in dir(pedalboard) if name[0].isupper()}
    return [
        n for n, k in kinds.items() if isinstance(k, type) and issubclass(k, pedalboard.Plugin) and n not in NOT_EFFECTS
    ]


def through(plugin: Any, sound: np.ndarray, rate: int, block: int) -> np.ndarray:
    """A sound through an effect; through one of pedalboard's own in pieces that stay in the processor's cache.

    The pieces are whole blocks, so that the effect is called as if it were given everything at once. One that
    holds samples back at first is given everything at once, for pedalboard moves what comes to its place then.
    ``sound``, float32 ``[channels, samples]``, is written over.
    """
    step = max(PIECE // block, 1) * block
    starts = range(0, max(sound.shape[1] - step, 1), step)  # the last piece is the longest
    if isinstance(plugin, pedalboard.ExternalPlugin) or len(starts) == 1:
        return plugin(sound, rate, buffer_size=block, reset=True)
    plugin.reset()
    for start in starts:
        piece = sound[:, start : None if start == starts[-1] else start + step]
        found = plugin(piece, rate, buffer_size=block, reset=False)
        if found.shape == piece.shape:
            piece[:] = found
        elif start == 0:
            return plugin(sound, rate, buffer_size=block, reset=True)
        else:
            raise RuntimeError(f"gave {found.shape[1]} samples for {piece.shape[1]}. Leave this effect out.")
    return sound
