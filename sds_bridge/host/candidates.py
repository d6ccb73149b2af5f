"""In the child: candidates for a sound, each set, played and told how far from the target it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pedalboard import ExternalPluginReloadType

from sds_bridge.host.distance import SEARCH_WINDOWS, Target

# candidates that a plug-in's own reset is tried with
TRIED = 6


class Candidates:
    """Candidates for the mono sound ``target``; ``play`` sets positions by name and gives ``[channels, samples]``."""

    def __init__(self, target: np.ndarray, plugin: Any, play: Callable[[dict[str, float]], np.ndarray]) -> None:
        self._target = Target(target, SEARCH_WINDOWS, overlap=2)
        self._plugin, self._play = plugin, play
        self._tried = False

    def scores(self, names: Sequence[str], rows: Sequence[Sequence[float]]) -> list[float]:
        """Distances in dB, one a row of positions."""
        candidates = [dict(zip(names, row, strict=True)) for row in rows]
        if not self._tried:
            self._tried = True
            self._try_reset(candidates[:TRIED])
        return [self._target.loss(self._play(candidate).mean(0)) for candidate in candidates]

    def _try_reset(self, candidates: Sequence[dict[str, float]]) -> None:
        """Let the plug-in reset itself between notes, if all sounds the same to the last bit.

        Otherwise pedalboard makes a new instance of an instrument for each note, which takes it 15 ms.
        """
        self._plugin._reload_type = ExternalPluginReloadType.PersistsAudioOnReset
        wanted = [self._play(candidate) for candidate in candidates]
        self._plugin._reload_type = ExternalPluginReloadType.ClearsAudioOnReset
        found = [self._play(candidate) for candidate in reversed(candidates)][::-1]
        heard = sum(bool(sound.any()) for sound in wanted)
        if heard < 2 or not all(map(np.array_equal, wanted, found)):
            self._plugin._reload_type = ExternalPluginReloadType.PersistsAudioOnReset
