"""Candidates played by a plug-in in several children at once, each told how far its sound is from the goal."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sds_bridge.host import plugin
from sds_bridge.host.plugin import Event, Plugin
from sds_bridge.host.process import PluginProcess

BLOCK = 8192
SCORE_SECONDS = 60.0


@dataclass(frozen=True)
class Goal:
    """What is to be matched: a mono sound, and the key press that is to make it."""

    sound: np.ndarray
    rate: int
    note: int
    velocity: int
    hold: float

    @property
    def events(self) -> list[Event]:
        return [(0.0, bytes([0x90, self.note, self.velocity])), (self.hold, bytes([0x80, self.note, 0]))]


class Player:
    """Children that each keep the plug-in loaded, set candidates, play them and tell how far they are off."""

    def __init__(self, path: Path, goal: Goal, names: Sequence[str], preset: bytes, children: int) -> None:
        self._names = list(names)
        self._loaded: list[Plugin] = []
        self._pool = ThreadPoolExecutor(children)
        self._processes = [PluginProcess() for _ in range(children)]
        try:
            self._loaded = list(
                self._pool.map(lambda process: self._load(process, path, goal, preset), self._processes)
            )
        except BaseException:
            self.close()
            raise

    def _load(self, process: PluginProcess, path: Path, goal: Goal, preset: bytes) -> Plugin:
        loaded = plugin.load(process, path)
        process.request("load_preset_data", preset, handle=loaded.handle)
        sound = np.ascontiguousarray(goal.sound, np.float32)
        told = [[time, list(data)] for time, data in goal.events]
        note: dict[str, Any] = {"rate": goal.rate, "events": told, "block": BLOCK}
        process.request("target", sound.data.cast("B"), instrument=loaded.handle, **note)
        return loaded

    def score(self, rows: np.ndarray) -> np.ndarray:
        """``[candidates, parameters]`` → distances ``[candidates]``."""
        parts = np.array_split(rows, min(len(self._loaded), len(rows)))
        return np.concatenate(list(self._pool.map(self._score, self._loaded, parts)))

    def _score(self, loaded: Plugin, rows: np.ndarray) -> np.ndarray:
        fields: dict[str, Any] = {"names": self._names, "rows": rows.tolist()}
        return np.array(loaded.process.request("score", limit=SCORE_SECONDS, **fields)[0]["scores"])

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
