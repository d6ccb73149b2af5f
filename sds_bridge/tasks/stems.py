"""A session as audio: one aligned stem a track, and their mix.

Tracks with plug-ins are made in child processes, our own patches on threads of this one, as many of each at once as
there are cores. A track that fails leaves the others as they are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from sds_bridge import audio
from sds_bridge.errors import InputError, PluginError, SdsBridgeError, SpecError
from sds_bridge.host import mapping, plugin
from sds_bridge.host.children import Children
from sds_bridge.host.plugin import Event as MidiEvent
from sds_bridge.host.plugin import Plugin
from sds_bridge.host.process import LOAD_SECONDS, PluginProcess
from sds_bridge.host.spec import PluginSpec, installed_plugin
from sds_bridge.patch import Patch, write_text
from sds_bridge.tasks.midi import MidiSong, Song
from sds_bridge.tasks.mix import Mix
from sds_bridge.tasks.one_thread import one_thread_a_track
from sds_bridge.tasks.provenance import versions
from sds_bridge.tasks.requests import Progress, Report, Result, ShouldStop
from sds_bridge.tasks.session import SUBTYPES, Effect, Session, Track

# a plug-in slower than real time is given up on, after what loading may take
SLOWEST = 1.0

# a track's messages, for a plug-in, and its notes, where our own synth plays them
Music = tuple[list[MidiEvent], Song | None]


@dataclass(frozen=True)
class Stem:
    """What became of a track: float32 ``[2, samples]`` with gain and pan, and what is worth recording, and its file."""

    sound: np.ndarray
    record: dict[str, Any]
    path: Path


@dataclass(frozen=True)
class Job:
    """What every track shares; ``samples`` is the stems' common length."""

    session: Session
    base: Path
    folder: Path
    samples: int


def run(
    session: Session,
    base: Path,
    folder: Path,
    report: Report = lambda progress: None,
    should_stop: ShouldStop = lambda: False,
    workers: int | None = None,
) -> Result:
    """Write ``NAME.wav`` a track, ``mix.wav`` and ``stems.json`` into ``folder``.

    Args:
        base: what the session's paths are relative to.
        report: gets the tracks done, and each failure as a message.
        should_stop: asked five times a second; the stems made so far stay, the mix is not written.
        workers: tracks with plug-ins at once, and as many of our own; by default one a core.

    Returns:
        ``summary["failed"]`` has an error by track name; the mix is of the others.

    Raises:
        InputError: no track could be made. (SpecError, of a session file, comes before.)
    """
    began = time.monotonic()
    songs, failed = _songs(session, base)
    seconds = max((events[-1][0] for events, _ in songs.values()), default=0.0) + session.tail
    samples = round(seconds * session.rate)
    job = Job(session, base, folder, samples)
    records: dict[str, Any] = {}
    written: dict[str, Path] = {}
    mix = Mix([track.name for track in session.track], samples)
    total = len(session.track)
    for done, (name, error) in enumerate(failed.items(), 1):
        mix.take(name, None)
        report(Progress(done, total, 0.0, 0.0, f"{name}: {error}"))
    for track, make in _made(job, songs, workers or os.cpu_count() or 1, should_stop):
        message = ""
        try:
            stem = make()
        except SdsBridgeError as error:
            failed[track.name] = str(error)
            message = f"{track.name}: {error}"
            mix.take(track.name, None)
        else:
            mix.take(track.name, stem.sound)
            written[track.name], records[track.name] = stem.path, stem.record
        done = len(written) + len(failed)
        report(Progress(done, total, 0.0, (time.monotonic() - began) / done * (total - done), message))
    stopped = len(written) + len(failed) < total
    if not written and not stopped:
        raise InputError(f"no track could be made. {'; '.join(f'{n}: {e}' for n, e in failed.items())}")
    # the tracks end in any order; what is written must not depend on it
    in_order = [track.name for track in session.track]
    files = [written[name] for name in in_order if name in written]
    summary: dict[str, Any] = {"seconds": seconds, "failed": {n: failed[n] for n in in_order if n in failed}}
    summary["stems"] = {name: records[name] for name in in_order if name in records}
    if not stopped:
        path, summary["mix"] = _save(folder / "mix.wav", mix.sum.astype(np.float32), session)
        files.append(path)
    # what an earlier run left by these names is no stem of this mix
    for name in [*({*in_order} - {*written}), *(["mix"] if stopped else [])]:
        (folder / f"{name}.wav").unlink(missing_ok=True)
    content = {"session": session.model_dump(), "base": str(base.absolute()), "versions": versions(), **summary}
    write_text(folder / "stems.json", json.dumps(content, indent=1) + "\n")
    files.append(folder / "stems.json")
    spent = time.monotonic() - began
    summary |= {"spent_seconds": spent, "times_real_time": seconds / spent}
    return Result(folder.absolute(), [f.absolute() for f in files], summary, stopped)


def _save(path: Path, sound: np.ndarray, session: Session) -> tuple[Path, dict[str, Any]]:
    peak = audio.peak(sound)
    if not np.isfinite(peak):
        raise PluginError(
            "the sound has samples that are NaN or infinite. Change what its plug-in or effects are set to, or leave them out."
        )
    audio.save(path, sound, session.rate, SUBTYPES[session.depth], loudest=peak)
    return path, {"peak_dbfs": audio.to_decibel(peak), "depth": "32f" if peak > 1 else session.depth}


def _songs(session: Session, base: Path) -> tuple[dict[str, Music], dict[str, str]]:
    """Each track's MIDI, each file read once and first of all, for the stems' common length; and an error by track."""
    read: dict[str, MidiSong] = {}
    songs, failed = {}, {}
    for track in session.track:
        try:
            if track.midi not in read:
                read[track.midi] = MidiSong(base / track.midi)
            events = read[track.midi].events(track.channel)
            songs[track.name] = (events, read[track.midi].notes(track.channel) if not track.plugin else None)
        except InputError as error:
            failed[track.name] = str(error)
    return songs, failed


def _made(
    job: Job, songs: dict[str, Music], workers: int, should_stop: ShouldStop
) -> Iterator[tuple[Track, Callable[[], Stem]]]:
    """Tracks as they get done, each with what gives its stem or raises its error."""
    tracks = [track for track in job.session.track if track.name in songs]
    ours = [track for track in tracks if not track.plugin]
    children, stopping = Children(workers), Event()
    waiting: dict[Future[Stem], Track] = {}
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(workers) as own, ExitStack() as settings:
        try:
            for track in tracks:
                if track.plugin:
                    waiting[pool.submit(_hosted, track, job, songs[track.name][0], children, None)] = track
            if ours:
                # torch is imported here, while the children begin
                settings.enter_context(one_thread_a_track())
            # those that go through effects first, for a child plays them while the next is rendered
            dry = {t.name: own.submit(_dry, t, job, songs[t.name], stopping) for t in ours if t.effects}
            for track in ours:
                if track.effects:
                    waiting[pool.submit(_hosted, track, job, [], children, dry[track.name])] = track
                else:
                    waiting[own.submit(_ours, track, job, songs[track.name], stopping)] = track
            while waiting and not should_stop():
                ready, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield waiting.pop(future), future.result
        finally:
            stopping.set()
            children.end()
            own.shutdown(cancel_futures=True)
            pool.shutdown(cancel_futures=True)
        for future, track in waiting.items():  # what got done while it was told to stop
            if not future.cancelled() and future.exception() is None:
                yield track, future.result


def _ours(track: Track, job: Job, music: Music, stopping: Event) -> Stem:
    return _finished(_dry(track, job, music, stopping), track, job, {})


def _dry(track: Track, job: Job, music: Music, stopping: Event) -> np.ndarray:
    """A track of our own synths before its effects, ``[1 or 2, samples]``; CancelledError where it was to stop."""
    import torch

    from sds_bridge.tasks.render import play

    # of this thread; denormals make convolutions many times slower
    torch.set_flush_denormal(True)
    song = music[1]
    assert song is not None
    patch = Patch.load(job.base / track.patch)
    options: dict[str, Any] = {"rate": job.session.rate, "seed": job.session.seed, "should_stop": stopping.is_set}
    played = play(song, patch, job.base / track.midi, **options)
    if played.stopped:
        raise CancelledError
    return played.sound


def _hosted(
    track: Track,
    job: Job,
    events: list[MidiEvent],
    children: Children,
    dry: Future[np.ndarray] | None,
) -> Stem:
    session, record = job.session, dict[str, Any]()
    with children.borrowed() as process:
        process.limit = session.time_limit or LOAD_SECONDS
        process.request("clear")
        limit = session.time_limit or LOAD_SECONDS + SLOWEST * job.samples / session.rate
        options: dict[str, Any] = {"block": session.block, "limit": limit}
        instrument = _instrument(track, job.base, process, record) if track.plugin else None
        chain = [_effect(effect, job.base, process, record) for effect in track.effects]
        if instrument is not None:
            sound = plugin.play(instrument, events, job.samples, session.rate, chain=chain, **options)
        else:
            assert dry is not None
            fitted = audio.fit_length(dry.result(), job.samples)
            sound = plugin.process_sound(chain, fitted, session.rate, **options)
    return _finished(sound, track, job, record)


def _instrument(track: Track, base: Path, process: PluginProcess, record: dict[str, Any]) -> Plugin:
    loaded, spec = _loaded(track.plugin, base, process, record)
    if loaded.identity is not None and not loaded.identity.instrument:
        raise PluginError(f"{track.plugin}: is an effect. Give an instrument, or put it among the track's effects.")
    if track.patch:
        if spec is None:
            raise SpecError(f"{track.plugin}: has no spec that maps patches. Give a preset or parameters instead.")
        positions, lost = mapping.positions(Patch.load(base / track.patch), spec)
        loaded.set(positions)
        record["lost"] = lost
    if track.preset:
        loaded.load_preset(base / track.preset)
    loaded.set(track.parameters)
    return loaded


def _effect(effect: Effect, base: Path, process: PluginProcess, record: dict[str, Any]) -> Plugin:
    if effect.effect:
        return plugin.built_in(process, effect.effect, effect.parameters)
    loaded, _ = _loaded(effect.plugin, base, process, record)
    if effect.preset:
        loaded.load_preset(base / effect.preset)
    loaded.set(effect.parameters)
    return loaded


def _loaded(text: str, base: Path, process: PluginProcess, record: dict[str, Any]) -> tuple[Plugin, PluginSpec | None]:
    path, spec = installed_plugin(text, base)
    loaded = plugin.load(process, path)
    assert loaded.identity is not None
    standing = spec.standing if spec else "no spec"
    record.setdefault("plugins", []).append({"path": str(path), **asdict(loaded.identity), "spec": standing})
    return loaded, spec


def _finished(sound: np.ndarray, track: Track, job: Job, record: dict[str, Any]) -> Stem:
    """At its length, gain and pan, and written. Equal power, 0 dB in the middle: the sides are up to 3 dB up."""
    angle = (track.pan + 1) * np.pi / 4
    sides = np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]) if track.pan else np.ones(2)
    gains = (10 ** (track.gain / 20) * sides).astype(np.float32)
    fitted = audio.fit_length(sound, job.samples)
    if (gains == 1).all():
        stem = np.broadcast_to(fitted, (2, job.samples))
    else:
        stem = np.multiply(fitted, gains[:, None], out=fitted if fitted.flags.writeable and len(fitted) == 2 else None)
    path, level = _save(job.folder / f"{track.name}.wav", stem, job.session)
    return Stem(stem, record | level, path)
