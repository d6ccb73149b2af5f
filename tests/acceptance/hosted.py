"""The built plug-ins for tests: ``vst3("FM6")`` is a bundle's path, or skips the test with the reason."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import mido
import numpy as np
import pytest

from sds_bridge.host import plugin
from sds_bridge.host.process import PluginProcess

_file = Path(__file__).parents[1] / "plugins" / "build.py"
_spec = importlib.util.spec_from_file_location("plugin_build", _file)
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

RATE = 48_000
STRIKE = [(0.1, bytes([0x90, 60, 100])), (0.5, bytes([0x80, 60, 0]))]


def vst3(name: str) -> Path:
    try:
        return build.built(name)
    except build.Unavailable as reason:
        pytest.skip(str(reason))


def scanned_folders(monkeypatch: pytest.MonkeyPatch, *more: Path) -> None:
    """Sessions may name the built plug-ins, and those in ``more``."""
    monkeypatch.setenv("SDS_BRIDGE_PLUGINS", os.pathsep.join(map(str, [build._cache(), *more])))


def sound(loaded: plugin.Plugin, events=STRIKE, seconds: float = 1.0, **options) -> np.ndarray:
    return plugin.play(loaded, events, round(seconds * RATE), RATE, **options)


def fresh(name: str) -> tuple[PluginProcess, plugin.Plugin]:
    process = PluginProcess()
    return process, plugin.load(process, vst3(name))


def write_song(path: Path, notes=((48, 100), (55, 80), (60, 110)), beats: int = 240) -> Path:
    song = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    song.tracks.append(track)
    for note, velocity in notes:
        track.append(mido.Message("note_on", note=note, velocity=velocity))
        track.append(mido.Message("note_off", note=note, time=beats))
    song.save(path)
    return path
