"""Patches: saved and loaded unchanged, refused when malformed, never half written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sds_bridge import files
from sds_bridge.errors import PatchError
from sds_bridge.patch import Patch

GOOD = {"version": 1, "synth": "fm", "note": 48, "parameters": {"gain": 0.5, "modes.gain": [0.1, 0.2]}}
finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


@given(
    parameters=st.dictionaries(st.text(min_size=1), finite | st.lists(finite), min_size=1, max_size=8),
    note=st.integers(0, 127),
    settings=st.dictionaries(st.text(), st.integers(-(2**53), 2**53), max_size=3),
    name=st.text(),
)
def test_json_round_trip_is_exact(parameters, note, settings, name):
    patch = Patch(synth="fm", name=name, note=note, settings=settings, parameters=parameters)
    assert Patch.model_validate_json(patch.model_dump_json()) == patch


def test_file_round_trip(tmp_path):
    patch = Patch(
        synth="fm", name="tiefe Trommel – 鼓", parameters={"gain": 0.1 + 0.2}, provenance={"seed": 3, "of": ["a"]}
    )
    assert Patch.load(patch.save(tmp_path / "patch.json")) == patch
    assert [p.name for p in tmp_path.iterdir()] == ["patch.json"]


def test_defaults_are_not_shared():
    first, second = Patch(synth="fm", parameters={"gain": 1}), Patch(synth="fm", parameters={"gain": 1})
    first.settings["operators"] = 2
    assert second.settings == {}


def test_a_failed_write_keeps_the_old_patch(tmp_path, monkeypatch):
    path = Patch(**GOOD).save(tmp_path / "patch.json")
    before = path.read_bytes()
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        Patch(**GOOD | {"note": 1}).save(path)
    assert path.read_bytes() == before


def text_of(**changes):
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...})


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("", "the file"),
        ("not json", "the file"),
        ("[]", "the file"),
        ("null", "the file"),
        ('{"version": 1', "the file"),
        (text_of(version=2), "version"),
        (text_of(version="1"), "version"),
        (text_of(synth=...), "synth"),
        (text_of(synth=3), "synth"),
        (text_of(note=128), "note"),
        (text_of(note=-1), "note"),
        (text_of(note=60.5), "note"),
        (text_of(parameters=...), "parameters"),
        (text_of(parameters={}), "parameters"),
        (text_of(parameters={"gain": "loud"}), "parameters.gain"),
        (text_of(parameters={"gain": None}), "parameters.gain"),
        (text_of(parameters={"gain": float("nan")}), "parameters.gain"),
        (text_of(parameters={"gain": float("inf")}), "parameters.gain"),
        (text_of(parameters={"gain": [0.1, "x"]}), "parameters.gain"),
        (text_of(settings={"operators": "four"}), "settings.operators"),
        (text_of(extra=1), "extra"),
    ],
)
def test_malformed_patches_name_the_file_and_the_place(tmp_path, content, where):
    path = tmp_path / "patch.json"
    path.write_text(content)
    with pytest.raises(PatchError) as caught:
        Patch.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a version 1 patch: {where}")
    assert "\n" not in message


def test_unreadable_files(tmp_path):
    with pytest.raises(PatchError, match=r"none.json: no such file"):
        Patch.load(tmp_path / "none.json")
    with pytest.raises(PatchError, match="can't be read as text"):
        Patch.load(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00RIFF")
    with pytest.raises(PatchError, match="can't be read as text"):
        Patch.load(tmp_path / "binary.json")
