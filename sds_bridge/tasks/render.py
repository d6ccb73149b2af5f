"""A MIDI file through a patch: every note and velocity, on our own synth, as one stereo stem.

Voices are rendered dry and once for all notes that sound alike; the room is linear, so the whole stem goes through it
once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sds_bridge import audio
from sds_bridge.errors import InputError
from sds_bridge.patch import Patch
from sds_bridge.synths.base import Synth, Values
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.midi import LONGEST_SECONDS, Song, read_song
from sds_bridge.tasks.requests import Progress, Report, Result, ShouldStop
from sds_bridge.tasks.voices import INAUDIBLE, Voices, faded, rounded_up

RATES = (8_000, 192_000)
MOST_SAMPLES = int(LONGEST_SECONDS) * 96_000
MOST_VOICE_SAMPLES = 60 * 96_000
LONGEST_TAIL = 20.0
# notes that are looked through for those that can be rendered together with one
LOOK_AHEAD = 200


def render(
    midi_path: str | Path,
    patch_path: str | Path,
    out_path: str | Path,
    *,
    rate: int = 44_100,
    tail: float | None = None,
    channel: int | None = None,
    seed: int = 0,
    force: bool = False,
    report: Report = lambda progress: None,
    should_stop: ShouldStop = lambda: False,
) -> Result:
    """Write ``out_path``, a stereo float32 WAV. Nothing is normalised: the peak is in the summary.

    Args:
        rate: Hz, 8000…192000.
        tail: seconds that each voice may ring on after its key is up, and the stem's room after the last one; by
            default until they are inaudible (90 dB under the peak), as far as release, decays and room can reach.
        channel: 1…16, or None for all.
        seed: of the noises; one note at one velocity and length always sounds the same.
        force: write over an existing file.
        report: gets the notes done; the first message names what the file holds that isn't followed.
        should_stop: asked before each note; when it says so nothing is written and ``stopped`` is set.

    Raises:
        InputError: an unusable MIDI file, option or output path.
        PatchError: an unusable patch.
    """
    out_path = _writable(Path(out_path), force)
    _check_options(rate, tail)
    patch = Patch.load(patch_path)
    song = read_song(midi_path, channel)
    played = play(song, patch, midi_path, rate=rate, tail=tail, seed=seed, report=report, should_stop=should_stop)
    if played.stopped:
        return Result(out_path.parent, [], {"notes": played.notes}, stopped=True)
    audio.save(out_path, np.broadcast_to(played.sound, (2, played.sound.shape[1])), rate)
    summary = {
        "notes": len(song.notes),
        "rendered": played.rendered,
        "seconds": played.sound.shape[1] / rate,
        "peak_dbfs": audio.to_decibel(audio.peak(played.sound)),
        "ignored": song.ignored,
    }
    return Result(out_path.parent.absolute(), [out_path.absolute()], summary)


@dataclass(frozen=True)
class Played:
    """``sound`` is float32, ``[2, samples]`` in a room and ``[1, samples]`` without one or where it was ``stopped``.

    Of ``notes`` that were played, ``rendered`` differ from each other.
    """

    sound: np.ndarray
    notes: int
    rendered: int
    stopped: bool = False


def play(
    song: Song,
    patch: Patch,
    path: str | Path,
    *,
    rate: int,
    tail: float | None = None,
    seed: int = 0,
    report: Report = lambda progress: None,
    should_stop: ShouldStop = lambda: False,
) -> Played:
    """The song's notes on the patch's synth, from the song's start until the last voice has ended.

    Takes the options of :func:`render` and raises its errors; ``path`` is the song's, for these.
    """
    _check_options(rate, tail)
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)
    ring = tail if tail is not None else min(synth.ringing_seconds(values), LONGEST_TAIL)
    _check_lengths(song, ring, rate, path)
    began = time.monotonic()
    end = max(n.start + n.seconds for n in song.notes)
    dry = np.zeros(round((end + ring) * rate) + 1, np.float32)
    used = 0
    voices = Voices(synth, values, reference_note=patch.note, ring=ring, rate=rate, seed=seed)
    for done, note in enumerate(song.notes):
        if should_stop():
            return Played(dry[None, :used], done, voices.rendered, stopped=True)
        voice, gain = voices.of(note, song.notes[done + 1 : done + 1 + LOOK_AHEAD])
        start = round(note.start * rate)
        there = min(len(voice), len(dry) - start)
        dry[start : start + there] += voice[:there] if gain == 1 else voice[:there] * np.float32(gain)
        used = max(used, start + there)
        left = (time.monotonic() - began) / (done + 1) * (len(song.notes) - done - 1)
        report(Progress(done + 1, len(song.notes), 0.0, left, _ignored(song) if done == 0 else ""))
    longest = None if tail is None else round((end + tail) * rate)
    sound = _in_room(dry[:used], synth, values, rate, seed, longest)
    return Played(sound, len(song.notes), voices.rendered)


@torch.inference_mode()
def _in_room(dry: np.ndarray, synth: Synth, values: Values, rate: int, seed: int, longest: int | None) -> np.ndarray:
    """``[samples]`` → ``[2, more]`` until the room is inaudible too, or for at most ``longest``; ``[1, samples]`` without one."""
    seconds = min(synth.room_seconds(values), LONGEST_TAIL)
    if not seconds or not dry.any():
        return dry[None]
    room = synth.room(values, rounded_up(round(seconds * rate)), rate, seed)
    assert room is not None
    wet = _convolved(dry, room[0])
    wet[:, : len(dry)] += dry
    level = max(float(wet.max()), -float(wet.min()))
    audible = np.flatnonzero(np.abs(wet[:, len(dry) :]).max(0) > INAUDIBLE * level)
    end = len(dry) + (audible[-1] + 1 if len(audible) else 0)
    return faded(wet[:, : end if longest is None else min(end, longest)], rate)


def _convolved(dry: np.ndarray, room: torch.Tensor) -> np.ndarray:
    """``[T] ∗ [2, R] → [2, T + R − 1]`` by overlap-add."""
    length = room.shape[1]
    size = 1 << (4 * length - 1).bit_length()
    step = size - length + 1
    spectrum = torch.fft.rfft(room, n=size)
    wet = np.zeros((2, len(dry) + length - 1), np.float32)
    for start in range(0, len(dry), step):
        part = torch.from_numpy(dry[start : start + step])
        found = torch.fft.irfft(torch.fft.rfft(part, n=size) * spectrum, n=size).numpy()
        stop = min(start + size, wet.shape[1])
        wet[:, start:stop] += found[:, : stop - start]
    return wet


def _ignored(song: Song) -> str:
    return f"the file's {' and '.join(song.ignored)} is not followed" if song.ignored else ""


def _writable(path: Path, force: bool) -> Path:
    if path.suffix.lower() != ".wav":
        raise InputError(f"{path}: the stem is a WAV file. Give a name that ends in .wav.")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: is a folder, or lies in none that exists. Give a file name in an existing folder.")
    if path.exists() and not force:
        raise InputError(f"{path}: exists. Give another name, or --force to write over it.")
    return path


def _check_options(rate: int, tail: float | None) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"rate {rate}: {RATES[0]} to {RATES[1]} Hz are taken. Give 44100 or 48000.")
    if tail is not None and not 0 <= tail <= LONGEST_TAIL:
        raise InputError(
            f"tail {tail:g}: 0 to {LONGEST_TAIL:g} s are taken. Leave it out to hear every voice to its end."
        )


def _check_lengths(song: Song, ring: float, rate: int, path: str | Path) -> None:
    longest = max(song.notes, key=lambda note: note.seconds)
    if (longest.seconds + ring) * rate > MOST_VOICE_SAMPLES:
        allowed = MOST_VOICE_SAMPLES / rate - ring
        raise InputError(
            f"{path}: note {longest.pitch} at {longest.start:.1f} s lasts {longest.seconds:.0f} s; at most {allowed:.0f} s "
            f"are taken at {rate} Hz. Shorten it, or give a lower --rate."
        )
    seconds = max(note.start + note.seconds for note in song.notes) + ring
    if seconds * rate > MOST_SAMPLES:
        raise InputError(
            f"{path}: {seconds:.0f} s at {rate} Hz; at most {MOST_SAMPLES / rate:.0f} s are taken. Give a lower --rate, or cut it."
        )
