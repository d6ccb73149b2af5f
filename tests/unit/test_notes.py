"""Notes as people write them, in the CLI and over OSC alike."""

import pytest

from sds_bridge.errors import InputError
from sds_bridge.tasks.notes import parse_note
from sds_bridge.tasks.requests import TuneRequest, parse


@pytest.mark.parametrize(
    ("text", "note"),
    [("C4", 60), ("c3", 48), ("A4", 69), ("F#2", 42), ("Bb-1", 10), ("C-1", 0), ("G9", 127), (" 48 ", 48)],
)
def test_notes(text, note):
    assert parse_note(text) == note


@pytest.mark.parametrize("text", ["", "H4", "C", "C#", "Cb-1", "G#9", "-1", "128", "C4x", "1.5"])
def test_what_is_no_note_is_named(text):
    with pytest.raises(InputError, match="note"):
        parse_note(text)


def test_requests_take_names_and_numbers():
    assert TuneRequest(prompt="kick", note="C3").note == TuneRequest(prompt="kick", note=48).note == 48
    with pytest.raises(InputError, match="H9"):
        parse(TuneRequest, {"prompt": "kick", "note": "H9"})
