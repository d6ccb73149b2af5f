"""The factory library: nothing in it that didn't rise or wasn't verified, and its files are what its patches give."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sds_bridge.formats import catalog
from sds_bridge.formats.dx7_bank import read_voices
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.stage import HOLD_SHARE, VELOCITY

FOLDER = Path(__file__).parents[2] / "presets"


@pytest.fixture(scope="module")
def making():
    """``presets/make.py`` as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
        module = sys.modules["make"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("make", None)


@pytest.fixture(scope="module")
def library(making):
    """The recipe, and each entry with what is told about it."""
    told, entries = making.recipe()
    return told, [(e, json.loads((FOLDER / e.folder / "about.json").read_text())) for e in entries]


def test_every_patch_of_the_recipe_is_there_whole_and_no_other(library):
    made = library[1]
    assert {p.parent.relative_to(FOLDER) for p in FOLDER.glob("*/*/about.json")} == {e.folder for e, _ in made}
    for entry, about in made:
        names = {"about.json", "patch.json", "preview.flac", "spectrogram.png"} | {p["file"] for p in about["presets"]}
        assert {p.name for p in (FOLDER / entry.folder).iterdir()} == names
    assert len(made) >= 40
    groups = {entry.group for entry, _ in made}
    assert groups == {"basses", "bells", "drums", "impacts", "keys", "leads", "pads", "effects"}


def test_nothing_entered_that_did_not_rise_or_was_not_verified(library):
    told, made = library
    bars = told["library"]
    for entry, about in made:
        before, after = about["alignment"]
        assert after - before >= bars["rise"] - 0.001, entry.name
        assert about["seed"] in (entry.seeds or bars["seeds"]) and about["presets"], entry.name
        assert all(p["correlation"] >= bars["correlation"] for p in about["presets"]), entry.name


def test_no_two_patches_are_the_same(library):
    found = [Patch.load(FOLDER / entry.folder / "patch.json").parameters for entry, _ in library[1]]
    texts = {json.dumps(parameters, sort_keys=True) for parameters in found}
    assert len(texts) == len(found)


def test_patches_give_the_presets_bytes(library):
    for entry, about in library[1]:
        patch = Patch.load(FOLDER / entry.folder / "patch.json")
        assert (patch.synth, patch.provenance["prompt"], patch.provenance["seed"]) == (
            entry.synth,
            entry.prompt,
            about["seed"],
        )
        for preset in about["presets"]:
            # an fm patch is fitted to a DX7 or an OPM by hundreds of renders
            if entry.synth == "dx7" or preset["format"] == "faust":
                content, _ = catalog.export(patch, preset["format"])
                there = (FOLDER / entry.folder / preset["file"]).read_bytes()
                assert content == there, entry.name


@pytest.mark.parametrize("synth", ["dx7", "fm", "modal"])
def test_previews_are_the_patches_sounds(library, synth):
    entry = next(e for e, _ in library[1] if e.synth == synth)
    patch = Patch.load(FOLDER / entry.folder / "patch.json")
    heard, rate = soundfile.read(FOLDER / entry.folder / "preview.flac", always_2d=True)
    voice, seconds = make_synth(patch.synth, patch.settings), len(heard) / rate
    sound = voice.render(
        voice.values_from(patch),
        note=patch.note,
        velocity=VELOCITY,
        seconds=seconds,
        hold=seconds * HOLD_SHARE,
        rate=rate,
        seed=patch.provenance["seed"],
        reference_note=patch.note,
    )[0].numpy()
    difference = sound / max(1, np.abs(sound).max()) - heard.T
    assert np.sqrt(np.mean(difference**2)) < 0.05 * np.sqrt(np.mean(heard**2))


def test_banks_hold_the_dx7_patches_in_the_recipes_order(library):
    told, made = library
    assert len(told["banks"]) == 2
    for name, groups in told["banks"].items():
        voices = read_voices((FOLDER / "banks" / f"{name}.syx").read_bytes())
        patches = [e for group in groups for e, _ in made if e.synth == "dx7" and e.group == group]
        assert len(voices) == len(patches) == 32
        for voice, entry in zip(voices, patches, strict=True):
            (alone,) = read_voices((FOLDER / entry.folder / f"{entry.name}.syx").read_bytes())
            assert voice == alone


def test_the_page_links_to_files_that_are_there_and_to_nothing_else(library):
    page = (FOLDER / "index.html").read_text("utf-8")
    links = [link for link in re.findall(r'(?:href|src)="([^"]+)"', page) if not link.startswith("#")]
    assert all((FOLDER / link).is_file() for link in links)
    assert sum(link.endswith("preview.flac") for link in links) == len(library[1])
    assert "://" not in page
