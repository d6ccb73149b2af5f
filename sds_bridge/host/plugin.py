"""A plug-in in a child process: its identity, parameters, presets, and sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sds_bridge.errors import PluginError
from sds_bridge.files import replacing
from sds_bridge.host.process import PluginProcess

# pedalboard plays a note to instruments and waits so long for those that load their sounds in the background
WAKE_SECONDS = 3.0
BLOCK = 512

Event = tuple[float, bytes]


@dataclass(frozen=True)
class Identity:
    """What a plug-in says of itself; ``latency`` in samples."""

    name: str
    maker: str
    version: str
    category: str
    identifier: str
    instrument: bool
    latency: int


@dataclass(frozen=True)
class HostedParameter:
    """A parameter as the host sees it.

    Args:
        name: unique, as ``op1_ratio``; ``title`` is the plug-in's own.
        value, default: 0…1.
        text: how the plug-in writes its value.
        unit: "" where there is none.
        low, high: of the plug-in's own scale, where its texts are numbers.
        steps: 0 for any value; else how many there are, with ``choices`` their texts where those aren't numbers.
    """

    name: str
    title: str
    value: float
    default: float
    text: str
    unit: str
    low: float | None
    high: float | None
    steps: int
    choices: list[str]


@dataclass(frozen=True)
class Plugin:
    """Loaded by :func:`load` or :func:`built_in`; gone with its process."""

    process: PluginProcess
    handle: int
    path: str
    identity: Identity | None
    parameters: list[HostedParameter]

    def set(self, values: dict[str, float]) -> None:
        """Positions 0…1 by name; raises PluginError for a name or position that isn't."""
        for name, value in values.items():
            if not 0 <= value <= 1:
                raise PluginError(
                    f"{self.path}: {name} = {value:g}; positions from 0 to 1 are taken. Give one of them."
                )
        self.process.request("set", handle=self.handle, values=values)

    def values(self) -> dict[str, float]:
        """Every parameter's position 0…1."""
        return self.process.request("get", handle=self.handle)[0]["values"]

    def load_preset(self, path: str | Path) -> None:
        """Raises PluginError where the file isn't a preset of this plug-in."""
        path = Path(path)
        if not path.is_file():
            raise PluginError(f"{path}: no such file. Give a .vstpreset of {self.path}.")
        self.process.request("load_preset", handle=self.handle, path=str(path.absolute()))

    def preset(self) -> bytes:
        """The content of a .vstpreset file."""
        return bytes(self.process.request("preset", handle=self.handle)[1])

    def save_preset(self, path: str | Path) -> Path:
        """Written beside, then renamed."""
        path = Path(path)
        with replacing(path) as beside:
            beside.write_bytes(self.preset())
        return path

    def state(self) -> bytes:
        return bytes(self.process.request("state", handle=self.handle)[1])

    def set_state(self, state: bytes) -> None:
        self.process.request("set_state", state, handle=self.handle)


def load(process: PluginProcess, path: str | Path, *, name: str | None = None, wake: float = WAKE_SECONDS) -> Plugin:
    """Load a .vst3 file or bundle; ``name`` picks one of a file with several.

    Args:
        wake: seconds to wait for an instrument that is silent at first; 0 doesn't play it.

    Raises:
        PluginError: missing, no VST3 plug-in, one that crashes or hangs, or not of this system.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise PluginError(f"{path}: no such file. Give a .vst3, or see `sds-bridge plugins list`.")
    found = process.request("load", path=str(path), name=name, wake=wake)[0]
    parameters = [HostedParameter(**p) for p in found["parameters"]]
    return Plugin(process, found["handle"], str(path), Identity(**found["identity"]), parameters)


def built_in(process: PluginProcess, effect: str, parameters: dict[str, Any]) -> Plugin:
    """One of pedalboard's own effects, as ``Reverb``, with its arguments by name."""
    found = process.request("built_in", effect=effect, parameters=parameters)[0]
    return Plugin(process, found["handle"], effect, None, [])


def play(
    instrument: Plugin,
    events: Sequence[Event],
    samples: int,
    rate: int,
    *,
    chain: Sequence[Plugin] = (),
    block: int = BLOCK,
    limit: float | None = None,
) -> np.ndarray:
    """MIDI through an instrument and a chain of effects in the same process.

    Args:
        events: (seconds, MIDI message), in order; a message takes effect at the sample nearest below its time.
        samples, rate: length and Hz of what is returned.
        block: samples a call of the plug-in.

    Returns:
        float32 ``[2, samples]``; one channel is repeated. Latencies that the plug-ins report are compensated.
    """
    told = [[time, list(data)] for time, data in events]
    return _play(instrument.process, b"", instrument.handle, told, samples, rate, chain, block, limit)


def process_sound(
    chain: Sequence[Plugin], sound: np.ndarray, rate: int, *, block: int = BLOCK, limit: float | None = None
) -> np.ndarray:
    """A sound ``[1 or 2, samples]`` through a chain of effects; latencies are compensated, one channel is repeated."""
    sound = np.ascontiguousarray(sound, np.float32)
    return _play(chain[0].process, sound.data.cast("B"), None, [], sound.shape[1], rate, chain, block, limit)


def _play(
    process: PluginProcess,
    payload: bytes | memoryview,
    instrument: int | None,
    events: list[Any],
    samples: int,
    rate: int,
    chain: Sequence[Plugin],
    block: int,
    limit: float | None,
) -> np.ndarray:
    handles = [effect.handle for effect in chain]
    found, data = process.request(
        "play",
        payload,
        limit=limit,
        instrument=instrument,
        events=events,
        samples=samples,
        rate=rate,
        block=block,
        chain=handles,
    )
    return np.frombuffer(data, np.float32).reshape(found["channels"], -1)
