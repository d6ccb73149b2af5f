"""The child process that plug-ins live in: ``python -m sds_bridge.host.child``, asked over its standard input.

Every plug-in is loaded and played on the child's main thread, which JUCE takes for its message thread. A request is
a frame with ``op``; before each step that a plug-in could break, the child says which in a frame with ``stage``, so
that the host can name it. The answer has ``error`` where the request failed and the child goes on.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pedalboard

from sds_bridge.host.effects import built_in_effects, through
from sds_bridge.host.wire import Payload, read_frame, write_frame

if TYPE_CHECKING:
    from sds_bridge.host.candidates import Candidates

# the host ends a late child itself; this is for a child whose host died meanwhile
ALARM_SECONDS = 5.0
# a parameter with more is continuous: JUCE says 2^31 of a knob
MOST_STEPS = 256
SETTLING = 64

Answer = tuple[dict[str, Any], Payload]


class Child:
    """What the requests act on: the loaded plug-ins by number, and the sound that candidates are compared with."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._loaded: dict[int, Any] = {}
        self._names: dict[int, str] = {}
        self._places: dict[int, dict[str, int]] = {}
        self._channels: dict[int, tuple[int, ...]] = {}
        self._next = 0
        self._candidates: Candidates | None = None

    def answer(self, message: dict[str, Any], payload: Payload) -> Answer:
        op = message.pop("op")
        return getattr(self, f"do_{op}")(payload, **message)

    def do_names(self, _: Payload, path: str) -> Answer:
        self._say(f"{path}: loading")
        return {"names": list(pedalboard.VST3Plugin.get_plugin_names_for_file(path))}, b""

    def do_load(self, _: Payload, path: str, name: str | None, wake: float) -> Answer:
        self._say(f"{path}: loading")
        plugin: Any = pedalboard.VST3Plugin(path, plugin_name=name, initialization_timeout=wake)
        identity = {
            "name": plugin.name,
            "maker": plugin.manufacturer_name,
            "version": plugin.version,
            "category": plugin.category,
            "identifier": plugin.identifier,
            "instrument": plugin.is_instrument,
            "latency": plugin.reported_latency_samples,
        }
        parameters = [_described(key, p) for key, p in plugin.parameters.items()]
        handle = self._keep(plugin, path)
        self._places[handle] = _places(plugin)
        return {"handle": handle, "identity": identity, "parameters": parameters}, b""

    def do_built_in(self, _: Payload, effect: str, parameters: dict[str, Any]) -> Answer:
        self._say(f"{effect}: starting")
        if effect not in built_in_effects():
            raise ValueError(f"is none of pedalboard's effects: {', '.join(built_in_effects())}")
        try:
            return {"handle": self._keep(getattr(pedalboard, effect)(**parameters), effect)}, b""
        except TypeError as error:
            takes = re.search(r"native\.\w+\((.*?)\) Invoked", " ".join(str(error).split()))
            raise ValueError(f"doesn't take {parameters}; it takes {takes[1] if takes else error}") from None

    def do_set(self, _: Payload, handle: int, values: dict[str, float]) -> Answer:
        self._say(f"{self._names[handle]}: setting parameters")
        self._set(handle, values)
        return {}, b""

    def do_get(self, _: Payload, handle: int) -> Answer:
        parameters = self._loaded[handle].parameters
        return {"values": {key: float(p.raw_value) for key, p in parameters.items()}}, b""

    def do_load_preset(self, _: Payload, handle: int, path: str) -> Answer:
        self._say(f"{self._names[handle]}: loading the preset {path}")
        self._loaded[handle].load_preset(path)
        return {}, b""

    def do_load_preset_data(self, payload: Payload, handle: int) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.vstpreset"
            path.write_bytes(payload)
            return self.do_load_preset(b"", handle, str(path))

    def do_set_state(self, payload: Payload, handle: int) -> Answer:
        self._say(f"{self._names[handle]}: loading a state")
        self._loaded[handle].raw_state = bytes(payload)
        return {}, b""

    def do_state(self, _: Payload, handle: int) -> Answer:
        self._say(f"{self._names[handle]}: giving its state")
        self._settle(handle)
        return {}, bytes(self._loaded[handle].raw_state)

    def do_preset(self, _: Payload, handle: int) -> Answer:
        self._say(f"{self._names[handle]}: giving its preset")
        self._settle(handle)
        return {}, bytes(self._loaded[handle].preset_data)

    def do_clear(self, _: Payload) -> Answer:
        self._loaded.clear()
        self._names.clear()
        self._channels.clear()
        self._places.clear()
        self._candidates = None
        return {}, b""

    def do_play(
        self,
        payload: Payload,
        instrument: int | None,
        events: list[list[Any]],
        samples: int,
        rate: int,
        block: int,
        chain: list[int],
    ) -> Answer:
        if instrument is None:
            sound = np.frombuffer(payload, np.float32).reshape(-1, samples)
        else:
            sound = self._render(instrument, events, samples, rate, block)
        sound = np.repeat(sound, 2, axis=0) if len(sound) == 1 else sound
        for handle in chain:
            self._say(f"{self._names[handle]}: processing")
            sound = self._process(handle, sound, rate, block)
        latency = [getattr(self._loaded[h], "reported_latency_samples", 0) for h in chain]
        sound = np.ascontiguousarray(sound, np.float32)
        return {"channels": len(sound), "latency": latency}, sound.data.cast("B")

    def do_target(self, payload: Payload, rate: int, events: list[list[Any]], instrument: int, block: int) -> Answer:
        # scipy takes longer to import than pedalboard, and only a search needs it
        from sds_bridge.host.candidates import Candidates

        sound = np.frombuffer(payload, np.float32)

        def play(positions: dict[str, float]) -> np.ndarray:
            self._set(instrument, positions)
            return self._render(instrument, events, len(sound), rate, block)

        self._candidates = Candidates(sound, self._loaded[instrument], play)
        return {}, b""

    def do_score(self, _: Payload, names: list[str], rows: list[list[float]]) -> Answer:
        """How far each candidate's note is from the target."""
        assert self._candidates is not None
        return {"scores": self._candidates.scores(names, rows)}, b""

    def _keep(self, plugin: Any, name: str) -> int:
        self._next += 1
        self._loaded[self._next], self._names[self._next] = plugin, name
        return self._next

    def _set(self, handle: int, values: dict[str, float]) -> None:
        places = self._places[handle]
        # asked for anew each time: a plug-in that pedalboard reloads has other ones
        parameters = self._loaded[handle]._parameters
        for name, value in values.items():
            if name not in places:
                raise ValueError(f"has no parameter {name!r}; it has {', '.join(list(places)[:8])}, …")
            parameters[places[name]].raw_value = value

    def _settle(self, handle: int) -> None:
        """A parameter reaches the plug-in's processor, and so its state, only with the next block of sound."""
        if self._loaded[handle].is_instrument:
            self._render(handle, [], SETTLING, 44_100, SETTLING)
        else:
            self._process(handle, np.zeros((2, SETTLING), np.float32), 44_100, SETTLING)

    def _render(self, handle: int, events: list[list[Any]], samples: int, rate: int, block: int) -> np.ndarray:
        """``[channels, samples]``: as many channels as the plug-in has, its own latency cut from the start."""
        plugin = self._loaded[handle]
        self._say(f"{self._names[handle]}: rendering")
        late = plugin.reported_latency_samples
        messages = [(bytes(data), time) for time, data in events]
        # half a sample more, for pedalboard rounds down
        seconds = (samples + late + 0.5) / rate
        for count in self._channels.get(handle, (2, 1)):
            try:
                sound = plugin(messages, seconds, rate, num_channels=count, buffer_size=block, reset=True)
            except ValueError as error:
                if count == 1 or "channel output" not in str(error):
                    raise
            else:
                self._channels[handle] = (count,)
                break
        return sound[:, late : late + samples]

    def _process(self, handle: int, sound: np.ndarray, rate: int, block: int) -> np.ndarray:
        """As many samples as came in, in place of them where that can be.

        An effect that takes one channel is given one after the other.
        """
        plugin = self._loaded[handle]
        try:
            return through(plugin, sound, rate, block)
        except ValueError as error:
            if "channel" not in str(error) or len(sound) == 1:
                raise
            return np.concatenate([through(plugin, row[None], rate, block) for row in sound])


def _places(plugin: Any) -> dict[str, int]:
    """Where each parameter that pedalboard names lies in its list; setting by place is 20 times as fast as by name."""
    titles = [p.name for p in plugin._parameters]
    found, first = {}, 0
    for key, parameter in plugin.parameters.items():
        first = titles.index(parameter.name, first)
        found[key] = first
        first += 1
    return found


def _described(key: str, parameter: Any) -> dict[str, Any]:
    stepped = parameter.num_steps <= MOST_STEPS
    numbers = [v if isinstance(v, (int, float)) else None for v in (parameter.min_value, parameter.max_value)]
    return {
        "name": key,
        "title": parameter.name,
        "value": float(parameter.raw_value),
        "default": float(parameter.default_raw_value),
        "text": str(parameter.string_value),
        "unit": str(parameter.label or ""),
        "low": numbers[0],
        "high": numbers[1],
        "steps": int(parameter.num_steps) if stepped else 0,
        "choices": [v for v in parameter.valid_values if isinstance(v, str)] if stepped else [],
    }


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the host closes the pipe."""
    child = Child(lambda stage: write_frame(answers, {"stage": stage}))
    while True:
        try:
            message, payload = read_frame(requests)
        except EOFError:
            return
        limit = message.pop("limit")
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, limit + ALARM_SECONDS)
        try:
            found, sound = child.answer(message, payload)
        except Exception as error:
            found, sound = {"error": " ".join(str(error).split()) or type(error).__name__}, b""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        write_frame(answers, found, sound)


def main() -> None:
    # plug-ins print; what they print must not get among the frames
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for stream in (requests, answers):
            msvcrt.setmode(stream.fileno(), os.O_BINARY)
    elif hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(requests, answers)
    answers.flush()
    # a plug-in that can't be unloaded must not keep its process
    os._exit(0)


if __name__ == "__main__":
    main()
