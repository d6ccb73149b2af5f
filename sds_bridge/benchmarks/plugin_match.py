"""How near `match` comes to random sounds of an installed plug-in: ``python -m sds_bridge.benchmarks.plugin_match fm6``.

Each target is one note with every parameter that the spec lets a match move drawn at random; targets quieter than
−40 dBFS are drawn again. The search knows the note and how long the key is down, and starts from the plug-in's default.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from sds_bridge import audio
from sds_bridge.errors import PluginError
from sds_bridge.host import plugin
from sds_bridge.host.process import PluginProcess
from sds_bridge.host.spec import find_plugin
from sds_bridge.tasks import match

RATE, SECONDS, HOLD, NOTE, VELOCITY = 44_100, 1.0, 0.8, 60, 100
QUIETEST = 0.01
# so that no target is among the search's own draws
TARGET_SEEDS = 10_000


def target(spec_name: str, seed: int) -> np.ndarray:
    """A random sound ``[2, samples]`` of the plug-in."""
    path, spec = find_plugin(spec_name)
    if path is None or spec is None:
        raise PluginError(f"{spec_name}: is not installed here, or has no spec. See `sds-bridge plugins list`.")
    moved = [p for p in spec.parameter if p.match]
    rng = np.random.default_rng(TARGET_SEEDS + seed)
    events = [(0.0, bytes([0x90, NOTE, VELOCITY])), (HOLD, bytes([0x80, NOTE, 0]))]
    with PluginProcess() as process:
        loaded = plugin.load(process, path)
        while True:
            random = rng.random(len(moved))
            last = [p.positions - 1 for p in moved]
            drawn = [round(v * n) / n if n > 0 else float(v) for v, n in zip(random, last, strict=True)]
            loaded.set({p.name: v for p, v in zip(moved, drawn, strict=True)})
            sound = plugin.play(loaded, events, round(SECONDS * RATE), RATE)
            if np.abs(sound).max() > QUIETEST:
                return sound


def main(
    spec: Annotated[str, typer.Argument(help="name of the plug-in's spec")],
    targets: Annotated[int, typer.Option(help="how many")] = 10,
    seconds: Annotated[float, typer.Option(help="that each search takes")] = 60.0,
) -> None:
    falls = []
    for seed in range(targets):
        with tempfile.TemporaryDirectory() as scratch:
            clip = audio.save(Path(scratch) / "target.wav", target(spec, seed), RATE)
            request = match.MatchRequest(
                target=str(clip), plugin=spec, seconds=seconds, seed=seed, note=NOTE, velocity=VELOCITY, hold=HOLD
            )
            found = match.run(request, Path(scratch)).summary
        falls.append(found["fall"])
        distances = f"{found['distance_before']:5.2f} → {found['distance_after']:5.2f} dB"
        print(f"target {seed}: {distances}, falls by {found['fall']:.0%}, {found['evaluations']} tries", flush=True)
    print(f"median fall {median(falls):.0%}")


if __name__ == "__main__":
    typer.run(main)
