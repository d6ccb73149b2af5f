"""Standard MIDI files as notes in seconds. Imports no torch.

Tempo changes, the sustain pedal (CC64), "all sound off" (CC120) and "all notes off" (CC123) are followed.
Source: The Complete MIDI 1.0 Detailed Specification, 96.1, MIDI Association; Standard MIDI Files 1.0.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mido

from sds_bridge.errors import InputError

LARGEST_BYTES = 8 * 2**20
MOST_NOTES = 100_000
LONGEST_SECONDS = 600.0
SHORTEST_NOTE = 0.01

ALL_SOUND_OFF, SUSTAIN, ALL_NOTES_OFF = 120, 64, 123
DEFAULT_TEMPO = 500_000  # microseconds a quarter note
UNUSED = {"pitchwheel": "pitch bend", "aftertouch": "aftertouch", "polytouch": "aftertouch"}


@dataclass(frozen=True)
class Note:
    """One key press: ``start`` and ``seconds`` (> 0) in s, ``pitch`` 0…127, ``velocity`` 1…127, ``channel`` 1…16."""

    start: float
    seconds: float
    pitch: int
    velocity: int
    channel: int


@dataclass(frozen=True)
class Song:
    """Notes in order of start; ``ignored`` names what the file holds that a render doesn't follow."""

    notes: list[Note]
    ignored: list[str]


def read_song(path: str | Path, channel: int | None = None) -> Song:
    """Read a MIDI file, all channels merged or one of 1…16.

    A note lasts from its note-on to its note-off, longer while the pedal is down; of two presses of one key the
    earlier ends first. Notes left open end with the file, and notes without length last ``SHORTEST_NOTE``.

    Raises:
        InputError: missing, not MIDI, cut short, of type 2, too large, too long, or without notes.
    """
    return MidiSong(path).notes(channel)


class MidiSong:
    """A MIDI file read once, for any number of its channels. Raises InputError as :func:`read_song`."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._messages: list[tuple[float, mido.Message]] = []
        self._end = 0.0
        for now, message in _timed(_open(self._path), self._path):
            if now > LONGEST_SECONDS:
                raise InputError(f"{path}: longer than {LONGEST_SECONDS:.0f} s. Cut it into shorter files.")
            self._end = now
            if hasattr(message, "channel"):
                self._messages.append((now, message))

    def notes(self, channel: int | None = None) -> Song:
        """Its notes, as :func:`read_song` tells."""
        keys = defaultdict[int, _Keyboard](_Keyboard)
        ignored: set[str] = set()
        for now, message in self._of(channel):
            if message.type in UNUSED:
                ignored.add(UNUSED[message.type])
            else:
                keys[message.channel + 1].take(message, now)
        notes = [
            Note(start, max(end - start, SHORTEST_NOTE), pitch, velocity, number)
            for number, keyboard in keys.items()
            for start, end, pitch, velocity in keyboard.finish(self._end)
        ]
        notes.sort(key=lambda note: (note.start, note.pitch))
        if not notes:
            where = "" if channel is None else f" on channel {channel}"
            raise InputError(f"{self._path}: has no notes{where}. Give a MIDI file with notes, or another --channel.")
        if len(notes) > MOST_NOTES:
            raise InputError(
                f"{self._path}: {len(notes)} notes; at most {MOST_NOTES} are taken. Cut it into shorter files."
            )
        return Song(notes, sorted(ignored))

    def events(self, channel: int | None = None) -> list[tuple[float, bytes]]:
        """Every channel message as (seconds, bytes), for a plug-in, which follows what it can.

        Keys still down at the end are let go there. Raises InputError where there are no notes.
        """
        found: list[tuple[float, bytes]] = []
        down: Counter[tuple[int, int]] = Counter()
        struck = False
        for now, message in self._of(channel):
            found.append((now, bytes(message.bin())))
            if message.type in ("note_on", "note_off"):
                key = (message.channel, message.note)
                pressed = message.type == "note_on" and message.velocity > 0
                struck = struck or pressed
                down[key] = max(down[key] + (1 if pressed else -1), 0)
        if not struck:
            self.notes(channel)
        ends = (mido.Message("note_off", channel=c, note=n) for c, n in down.elements())
        return found + [(self._end, bytes(message.bin())) for message in ends]

    def _of(self, channel: int | None) -> list[tuple[float, mido.Message]]:
        if channel is None:
            return self._messages
        if not 1 <= channel <= 16:
            raise InputError(f"channel {channel}: MIDI channels are 1 to 16. Give one of them, or none for all.")
        return [(now, message) for now, message in self._messages if message.channel == channel - 1]


@dataclass
class _Keyboard:
    """One channel's keys and pedal. ``down`` are held keys, ``ringing`` those that only the pedal holds."""

    pedal: bool = False
    down: dict[int, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))
    ringing: dict[int, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))
    ended: list[tuple[float, float, int, int]] = field(default_factory=list)

    def take(self, message: mido.Message, now: float) -> None:
        if message.type == "note_on" and message.velocity:
            self._end(self.ringing, message.note, now)
            self.down[message.note].append((now, message.velocity))
        elif message.type in ("note_on", "note_off"):
            self._release(message.note, now)
        elif message.is_cc(SUSTAIN):
            self.pedal = message.value >= 64
            if not self.pedal:
                self._end_all(self.ringing, now)
        elif message.is_cc(ALL_NOTES_OFF):
            for pitch, held in self.down.items():
                for _ in range(len(held)):
                    self._release(pitch, now)
        elif message.is_cc(ALL_SOUND_OFF):
            self._end_all(self.down, now)
            self._end_all(self.ringing, now)

    def finish(self, now: float) -> list[tuple[float, float, int, int]]:
        self._end_all(self.down, now)
        self._end_all(self.ringing, now)
        return self.ended

    def _release(self, pitch: int, now: float) -> None:
        if not self.down[pitch]:
            return
        if self.pedal:
            self.ringing[pitch].append(self.down[pitch].popleft())
        else:
            start, velocity = self.down[pitch].popleft()
            self.ended.append((start, now, pitch, velocity))

    def _end(self, held: dict[int, deque[tuple[float, int]]], pitch: int, now: float) -> None:
        self.ended += [(start, now, pitch, velocity) for start, velocity in held.pop(pitch, ())]

    def _end_all(self, held: dict[int, deque[tuple[float, int]]], now: float) -> None:
        for pitch in list(held):
            self._end(held, pitch, now)


def _open(path: Path) -> mido.MidiFile:
    if not path.is_file():
        raise InputError(f"{path}: no such file. Give the path of a standard MIDI file (.mid).")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise InputError(
            f"{path}: {size / 2**20:.0f} MiB; at most {LARGEST_BYTES // 2**20} MiB is taken. Cut it into shorter files."
        )
    try:
        midi = mido.MidiFile(path, clip=True)
    except EOFError:
        raise InputError(f"{path}: is cut short. Export the MIDI file again.") from None
    except (OSError, ValueError, LookupError, mido.KeySignatureError) as error:
        raise InputError(f"{path}: not a standard MIDI file ({_one_line(error)}). Export it as .mid again.") from None
    if midi.type == 2:
        raise InputError(f"{path}: of type 2, independent sequences; types 0 and 1 are taken. Export it as type 1.")
    if midi.ticks_per_beat == 0:
        raise InputError(f"{path}: has 0 ticks a beat. Export the MIDI file again.")
    return midi


def _timed(midi: mido.MidiFile, path: Path) -> Iterator[tuple[float, mido.Message]]:
    """Messages of all tracks with their time in seconds."""
    division, tempo, now = midi.ticks_per_beat, DEFAULT_TEMPO, 0.0
    for message in mido.merge_tracks(midi.tracks, skip_checks=True):
        now += message.time * _tick_seconds(division, tempo, path)
        if message.type == "set_tempo":
            tempo = message.tempo
        yield now, message


def _tick_seconds(division: int, tempo: int, path: Path) -> float:
    """A positive ``division`` is ticks a quarter note; a negative one holds SMPTE frames/s and ticks a frame."""
    if division > 0:
        return tempo * 1e-6 / division
    frames, ticks = -(division >> 8), division & 0xFF
    if frames not in (24, 25, 29, 30) or ticks == 0:
        raise InputError(f"{path}: time division {division} is none of MIDI's. Export the MIDI file again.")
    return 1.0 / ((30000 / 1001 if frames == 29 else frames) * ticks)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
