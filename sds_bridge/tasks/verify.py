"""Opening an exported preset in its real engine, and how far it sounds from the patch."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sds_bridge.evaluation.metrics import log_spectral_distance
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth

RATE, SECONDS, HOLD = 44_100, 2.0, 1.2
NOTES, VELOCITIES = (36, 60, 84), (60, 110)

Player = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Distance:
    """Log-spectral distance in dB (1024/2048/4096, floored at −80 dB) after the one gain that fits all notes best."""

    note: int
    velocity: int
    decibels: float


@dataclass(frozen=True)
class Verdict:
    """``engine`` None: nothing opened the file, and ``reason`` says why."""

    engine: str | None
    distances: list[Distance]
    reason: str = ""

    def lines(self) -> list[str]:
        if self.engine is None:
            return [f"not verified: {self.reason}"]
        rows = [f"note {d.note}, velocity {d.velocity}: {d.decibels:.2f} dB" for d in self.distances]
        return [f"opened and played by {self.engine}; spectral distance to the patch:", *rows]


def dexed_player(content: bytes) -> Player:
    """Dexed's engine playing a DX7 voice, mono at ``RATE``; raises ImportError where dexed-py isn't installed."""
    import dexed

    engine = dexed.DexedSynth(RATE)
    engine.load_patch(dexed.Patch.from_sysex(content[6:-2]))
    return lambda note, velocity: np.asarray(engine.render(note, velocity, HOLD, SECONDS))


# format → (what plays it, the package that has it, its maker)
ENGINES: dict[str, tuple[str, str, Callable[[bytes], Player]]] = {"dx7": ("Dexed's engine", "dexed-py", dexed_player)}


def engine_state(to: str) -> str:
    """What would verify a format here."""
    if to not in ENGINES:
        return "no engine is wired up"
    title, package, _ = ENGINES[to]
    try:
        return f"{title} ({package} {importlib.metadata.version(package)})"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} isn't installed: pip install {package}"


def verify(patch: Patch, to: str, content: bytes) -> Verdict:
    """Play the file in its engine at three notes and two velocities beside the patch."""
    try:
        play = ENGINES[to][2](content)
    except (KeyError, ImportError):
        return Verdict(None, [], engine_state(to))
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)
    pairs = []
    for note in NOTES:
        for velocity in VELOCITIES:
            options = {"note": note, "velocity": velocity, "reference_note": patch.note}
            with torch.inference_mode():
                ours = synth.render(values, seconds=SECONDS, hold=HOLD, rate=RATE, **options)[0].mean(0).numpy()
            theirs = play(note, velocity)
            length = min(len(ours), len(theirs))
            pairs.append((note, velocity, ours[:length], theirs[:length]))
    energy = [sum(float(np.square(pair[i]).sum()) for pair in pairs) for i in (2, 3)]
    gain = (energy[0] / energy[1]) ** 0.5 if energy[1] > 0 else 1.0
    distances = []
    for note, velocity, ours, theirs in pairs:
        silent = not ours.any()
        found = (0.0 if not theirs.any() else float("inf")) if silent else log_spectral_distance(ours, theirs * gain)
        distances.append(Distance(note, velocity, found))
    return Verdict(engine_state(to), distances)
