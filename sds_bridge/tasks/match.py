"""A plug-in's parameters fitted to a sound: its preset is saved, with the sound that it makes."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sds_bridge import audio
from sds_bridge.errors import InputError, PluginError
from sds_bridge.host import mapping, plugin
from sds_bridge.host.distance import WINDOWS, log_spectral_distance
from sds_bridge.host.learn import learn
from sds_bridge.host.pitch import estimate_note
from sds_bridge.host.plugin import Plugin
from sds_bridge.host.process import PluginProcess
from sds_bridge.host.spec import ParameterSpec, PluginSpec, find_plugin, installed_plugin
from sds_bridge.patch import Patch, write_text
from sds_bridge.tasks.audition import BLOCK, Goal, Player
from sds_bridge.tasks.notes import parse_note
from sds_bridge.tasks.provenance import versions
from sds_bridge.tasks.requests import Progress, Report, Result, ShouldStop
from sds_bridge.tasks.search import Search

RATES = (22_050, 48_000)
RATE = 44_100
LONGEST = 2.0
# a reset of the plug-in mostly waits, so more children than cores pay off
CHILDREN_A_CORE = 3
PREVIEW_TAIL = 1.0
# share of its preview that a tune holds the key; tune.HOLD_SHARE, whose module imports torch
TUNED_HOLD = 0.75


class MatchRequest(BaseModel):
    """``sds-bridge match``. ``evaluations`` ends the search by count, so that it comes out the same again."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    target: str
    plugin: str
    start: str | None = None
    seconds: float = Field(60.0, gt=0, le=86_400)
    evaluations: int | None = Field(None, ge=1, le=10_000_000)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    note: int | None = Field(None, ge=0, le=127)
    velocity: int = Field(100, ge=1, le=127)
    hold: float | None = Field(None, gt=0, le=60)
    children: int | None = Field(None, ge=1, le=256)

    _note = field_validator("note", mode="before")(lambda value: parse_note(value) if isinstance(value, str) else value)


def of_tuned(folder: Path, plugin_name: str, note: int, seed: int) -> MatchRequest:
    """A match of what ``tune`` wrote into ``folder``, from its patch where the spec maps that onto the plug-in."""
    _, spec = find_plugin(plugin_name)
    mapped = spec is not None and Patch.load(folder / "patch.json").synth in spec.mapping
    preview = folder / "preview.wav"
    return MatchRequest(
        target=str(preview),
        plugin=plugin_name,
        start=str(folder / "patch.json") if mapped else None,
        seed=seed,
        note=note,
        hold=TUNED_HOLD * soundfile.info(preview).duration,
    )


def run(
    request: MatchRequest,
    folder: Path,
    report: Report = lambda progress: None,
    should_stop: ShouldStop = lambda: False,
) -> Result:
    """Write ``match.vstpreset``, ``parameters.json``, ``preview.wav``, ``spectrogram.png`` and ``match.json``.

    The target's first ``LONGEST`` seconds count, at its own level. When ``should_stop`` says so, what is best is saved.

    Raises:
        InputError, PluginError, SpecError: an unusable target, plug-in, preset or spec.
    """
    began = time.monotonic()
    path, spec = installed_plugin(request.plugin)
    goal, remarks = _goal(request)
    with PluginProcess() as process:
        loaded = plugin.load(process, path)
        assert loaded.identity is not None
        if not loaded.identity.instrument:
            raise PluginError(f"{path}: is an effect. Give an instrument.")
        spec = spec if spec and spec.parameter else learn(loaded, path.name)
        if not spec.verified:
            remarks.append(f"{spec.name}'s spec is {spec.standing}")
        _begin(loaded, request, spec, remarks)
        preset, values = loaded.preset(), loaded.values()
        moved = _moved(spec, values)
        samples = len(goal.sound)

        before = plugin.play(loaded, goal.events, samples, goal.rate, block=BLOCK)
        start = np.array([values[p.name] for p in moved])
        for remark in remarks:
            report(Progress(0, round(request.seconds), 0.0, request.seconds, remark))
        search = _searched(request, path, goal, preset, moved, start, report, should_stop)
        found = {p.name: float(at) for p, at in zip(moved, search.at, strict=True)}
        loaded.set(found)
        saved = loaded.save_preset(folder / "match.vstpreset")
        everything = loaded.values()
    after, again = (_played(saved, path, goal, samples + round(PREVIEW_TAIL * goal.rate)) for _ in range(2))
    if not np.array_equal(after, again):
        remarks.append(f"the preset doesn't sound the same twice, off by up to {np.abs(after - again).max():.2g}")
        report(Progress(0, 1, search.best, 0.0, remarks[-1]))
    distances = (_distance(goal, before), _distance(goal, after[:, :samples]))
    summary = {
        "distance_before": distances[0],
        "distance_after": distances[1],
        "fall": 1 - distances[1] / distances[0] if distances[0] else 0.0,
        "evaluations": search.evaluations,
        "note": goal.note,
        "remarks": remarks,
        "spent_seconds": time.monotonic() - began,
    }
    files = [saved, _write_parameters(folder, spec, everything, [p.name for p in moved])]
    files.append(audio.save(folder / "preview.wav", after, goal.rate))
    files.append(_picture(folder, goal, before, after[:, :samples], spec.name))
    content = {
        "request": request.model_dump(),
        "plugin": {"path": str(path), **asdict(loaded.identity), "spec": spec.standing},
        "distance": f"multiscale log-spectral distance, dB, windows {WINDOWS}",
        "summary": summary,
        "trace": search.trace,
        "versions": versions(),
    }
    write_text(folder / "match.json", json.dumps(content, indent=1) + "\n")
    files.append(folder / "match.json")
    return Result(folder.absolute(), [f.absolute() for f in files], summary)


def _goal(request: MatchRequest) -> tuple[Goal, list[str]]:
    clip = audio.load(request.target)
    mono, rate, remarks = clip.samples.mean(0), clip.rate, []
    if not RATES[0] <= rate <= RATES[1]:
        mono, rate = audio.resample(mono[None], rate, RATE)[0], RATE
    if len(mono) > LONGEST * rate:
        remarks.append(f"{request.target}: the first {LONGEST:g} s are matched")
        mono = mono[: round(LONGEST * rate)]
    if not mono.any():
        raise InputError(f"{request.target}: is silent. Give a clip with sound in it.")
    note = request.note
    if note is None:
        note, clear = estimate_note(mono, rate)
        remarks.append(f"note {note} was {'heard' if clear else 'guessed, no pitch is clear'}; --note sets another")
    sound = audio.fit_length(mono, max(len(mono), max(WINDOWS)))
    return Goal(sound, rate, note, request.velocity, request.hold or len(mono) / rate), remarks


def _begin(loaded: Plugin, request: MatchRequest, spec: PluginSpec, remarks: list[str]) -> None:
    """The plug-in's own default sound, or the preset, or the patch that was given."""
    if request.start is None:
        return
    if request.start.lower().endswith(".json"):
        positions, lost = mapping.positions(Patch.load(request.start), spec)
        loaded.set(positions)
        if lost:
            more = f", and {len(lost) - 2} more" if len(lost) > 2 else ""
            remarks.append(f"the patch is carried over in part: {', '.join(lost[:2])}{more}")
    else:
        loaded.load_preset(request.start)


def _moved(spec: PluginSpec, values: dict[str, float]) -> list[ParameterSpec]:
    moved = [p for p in spec.parameter if p.match]
    missing = [p.name for p in moved if p.name not in values]
    if missing:
        raise PluginError(
            f"{spec.name}: has no parameter {missing[0]!r}, as its spec says. See `sds-bridge plugins check`."
        )
    if not moved:
        raise PluginError(f"{spec.name}: its spec lets `match` move nothing. Set match = true for some parameters.")
    return moved


def _searched(
    request: MatchRequest,
    path: Path,
    goal: Goal,
    preset: bytes,
    moved: list[ParameterSpec],
    start: np.ndarray,
    report: Report,
    should_stop: ShouldStop,
) -> Search:
    children = request.children or CHILDREN_A_CORE * (os.cpu_count() or 1)
    began = time.monotonic()

    def stop(search: Search) -> bool:
        spent = time.monotonic() - began
        if request.evaluations is None:
            report(
                Progress(
                    min(int(spent), int(request.seconds)), int(request.seconds), search.best, request.seconds - spent
                )
            )
            return spent > request.seconds or should_stop()
        done = min(search.evaluations, request.evaluations)
        pace = spent / max(done, 1)
        report(Progress(done, request.evaluations, search.best, pace * (request.evaluations - done)))
        return done >= request.evaluations or should_stop()

    with Player(path, goal, [p.name for p in moved], preset, children) as player:
        began = time.monotonic()
        search = Search(player.score, [p.positions for p in moved], stop, request.seed)
        search.run(start)
    return search


def _distance(goal: Goal, sound: np.ndarray) -> float:
    return log_spectral_distance(goal.sound, sound.mean(0))


def _played(preset: Path, path: Path, goal: Goal, samples: int) -> np.ndarray:
    """What the saved preset sounds like in a fresh plug-in: that is what the user will hear."""
    with PluginProcess() as process:
        loaded = plugin.load(process, path)
        loaded.load_preset(preset)
        return plugin.play(loaded, goal.events, samples, goal.rate, block=BLOCK)


def _write_parameters(folder: Path, spec: PluginSpec, positions: dict[str, float], moved: list[str]) -> Path:
    known = spec.by_name()
    content: dict[str, dict[str, Any]] = {}
    for name, position in positions.items():
        content[name] = {"position": position, "moved": name in moved}
        if name in known:
            content[name] |= {"value": known[name].declared.to_value(position), "unit": known[name].unit}
    path = folder / "parameters.json"
    write_text(path, json.dumps(content, indent=1) + "\n")
    return path


def _picture(folder: Path, goal: Goal, before: np.ndarray, after: np.ndarray, name: str) -> Path:
    from sds_bridge.tasks.picture import panels

    clips = [("target", goal.sound[None]), ("start", before), ("match", after)]
    return panels(folder / "spectrogram.png", clips, goal.rate, name)
