"""Files of rendered sound carry their patch: it comes back as it was, and from no other file."""

import json

import pytest

from sds_bridge.errors import FormatError
from sds_bridge.formats import carried
from sds_bridge.patch import Patch
from sds_bridge.tasks import presets

PATCH = Patch(
    synth="fm", name='bell // "é"', note=61, parameters={"op1.level": 0.5, "op1.decay": 0.1, "op1.sustain": 0.0}
)


@pytest.fixture(scope="module")
def vital(tmp_path_factory):
    out = tmp_path_factory.mktemp("vital") / "a.vital"
    presets.export(PATCH, "vital", out)
    return out


def sfz(folder):
    out = folder / "a.sfz"
    out.write_text(carried.into_sfz("// a\n<region> sample=a.flac\n", PATCH), encoding="utf-8")
    return out


def test_a_patch_comes_back_from_our_vital(vital):
    assert carried.load(vital) == [PATCH]


def test_a_patch_comes_back_from_our_sfz(tmp_path):
    assert carried.load(sfz(tmp_path)) == [PATCH]


def changed(path, folder, **settings):
    content = json.loads(path.read_text())
    content["settings"] |= settings
    out = folder / path.name
    out.write_text(json.dumps(content))
    return out


def test_what_was_changed_since_is_refused(vital, tmp_path):
    with pytest.raises(FormatError, match="was changed after the export"):
        carried.load(changed(vital, tmp_path, volume=1.0))
    path = sfz(tmp_path)
    path.write_text(path.read_text().replace("a.flac", "b.flac"))
    with pytest.raises(FormatError, match="was changed after the export"):
        carried.load(path)


def test_anybody_elses_preset_is_refused_with_what_it_holds(tmp_path):
    path = tmp_path / "lead.vital"
    path.write_text(json.dumps({"settings": {"osc_1_on": 1.0, "osc_2_on": 0.0, "filter_1_on": 1.0}}))
    with pytest.raises(FormatError, match="a Vital preset of osc_1, filter_1, whose wavetables"):
        carried.load(path)
    path = tmp_path / "piano.sfz"
    path.write_text("<region> sample=c4.wav")
    with pytest.raises(FormatError, match="no synth here plays samples"):
        carried.load(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.vital", b"hello"),
        ("a.vital", b"[" * 100_000),
        ("a.vital", b"\xff\xfe"),
        ("a.vital", b"{}"),
        ("a.vital", b'{"settings": {}, "sds_bridge": 3}'),
        ("a.vital", b'{"settings": {}, "sds_bridge": {"patch": {"synth": "fm"}, "of": ""}}'),
        ("a.sfz", carried.MARK.encode() + b"{"),
        ("a.sfz", b"\x00\xff"),
        ("none.sfz", None),
    ],
)
def test_broken_files_are_refused_in_one_line(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError) as caught:
        carried.load(tmp_path / name)
    assert "\n" not in str(caught.value)
