"""What a result says of itself: how to make it again, and nothing of the folders that it was made in."""

import json

import pytest

from sds_bridge.audio import LONGEST_NOTE
from sds_bridge.tasks.provenance import note, versions

DETAILS = {"settings": {"steps": 3}, "seed": 7, "prior": {"name": "starter"}, "versions": versions()}


def test_a_note_names_files_without_their_folders():
    request = {"clip": "/home/me/secret/mix.wav", "stems": ["flute", "rain"], "start": None, "seed": 7}
    said = json.loads(note("separate", {**DETAILS, "request": request}))
    assert said["request"] == {"clip": "mix.wav", "stems": ["flute", "rain"], "start": None, "seed": 7}
    assert (said["task"], said["seed"], said["prior"], said["settings"]) == (
        "separate",
        7,
        {"name": "starter"},
        {"steps": 3},
    )
    assert said["versions"]["torch"]
    folder = {"prior": {"name": "/home/me/models/mine", "channels": 2}, "request": {"prior": "/home/me/models/mine"}}
    assert "/home" not in note("tune", DETAILS | folder) and '"mine"' in note("tune", DETAILS | folder)


@pytest.mark.parametrize("character", ["x", "ü", "\n"])
def test_long_texts_are_cut_until_the_note_fits(character):
    request = {"clip": "/a/mix.wav", "stems": [character * 500] * 8, "seed": 7}
    said = note("separate", {**DETAILS, "request": request})
    assert len(said) <= LONGEST_NOTE and said.isascii() and "\n" not in said
    assert json.loads(said)["seed"] == 7
