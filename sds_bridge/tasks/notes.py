"""Notes as people write them."""

from __future__ import annotations

from sds_bridge.errors import InputError


def parse_note(text: str) -> int:
    """``C3``, ``F#2``, ``Bb-1`` or ``48`` → MIDI note; middle C is C4 = 60."""
    semitones = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    name = text.strip()
    if name.lstrip("-").isdigit():
        note = int(name)
    else:
        letter, rest = name[:1].upper(), name[1:]
        shift = {"#": 1, "b": -1}.get(rest[:1], 0)
        octave = rest[1:] if shift else rest
        if letter not in semitones or not octave.lstrip("-").isdigit():
            raise InputError(f"note {text!r} isn't a note; give one as C3, F#2, Bb4 or a MIDI number from 0 to 127.")
        note = semitones[letter] + shift + 12 * (int(octave) + 1)
    if not 0 <= note <= 127:
        raise InputError(f"note {text!r} is MIDI note {note}; allowed is 0 to 127 (C-1 to G9).")
    return note
