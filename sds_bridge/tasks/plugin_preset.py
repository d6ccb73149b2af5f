"""A patch as the .vstpreset of an installed plug-in, by its spec's mapping; and that preset played in a fresh process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sds_bridge.errors import SpecError
from sds_bridge.host import mapping, plugin
from sds_bridge.host.process import PluginProcess
from sds_bridge.host.spec import installed_plugin
from sds_bridge.patch import Patch
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Player


def export(patch: Patch, name: str, out: Path) -> list[str]:
    """Write the preset; says what was cut or dropped.

    Args:
        name: of the plug-in's spec, or its .vst3 path.

    Raises:
        PluginError: not installed, or it crashed.
        SpecError: no spec, or one that doesn't map patches of this synth.
    """
    path, spec = installed_plugin(name)
    if spec is None:
        raise SpecError(
            f"{name}: has no spec that maps patches. Use `sds-bridge match` on the patch's preview instead."
        )
    positions, lost = mapping.positions(patch, spec)
    with PluginProcess() as process:
        loaded = plugin.load(process, path)
        loaded.set(positions)
        loaded.save_preset(out)
    return [*lost, f"{spec.name}'s spec is {spec.standing}"]


@contextmanager
def opened(name: str, preset: Path) -> Iterator[Player]:
    """The preset in a fresh process; each note is played alone."""
    path, _ = installed_plugin(name)
    with PluginProcess() as process:
        loaded = plugin.load(process, path)
        loaded.load_preset(preset)

        def play(note: int, velocity: int) -> np.ndarray:
            events = [(0.0, bytes([0x90, note, velocity])), (HOLD, bytes([0x80, note, 0]))]
            return plugin.play(loaded, events, round(SECONDS * RATE), RATE).mean(0)

        yield play
