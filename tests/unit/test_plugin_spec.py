"""Plug-in specs: every file in plugin_specs/ is well formed, its schema up to date, malformed ones told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sds_bridge.errors import PluginError, SpecError
from sds_bridge.host import folders, mapping
from sds_bridge.host import spec as module
from sds_bridge.host.learn import to_toml
from sds_bridge.host.spec import ParameterSpec, PluginSpec, find_plugin, load_spec, spec_files
from sds_bridge.patch import Patch

SPECS = Path(__file__).parents[2] / "plugin_specs"
GOOD = """
name = "X"
maker = "M"
verified = false
files = { linux = ["X.vst3"] }
parameter = [{ name = "cutoff", unit = "Hz", low = 20.0, high = 20000.0, curve = "log" }]
"""


def test_at_least_the_six_specs_are_found():
    assert {"fm6", "nekobi", "dexed", "vital", "surge-xt", "zynaddsubfx"} <= set(spec_files())


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_spec_is_well_formed_and_survives_a_round_trip(path, tmp_path):
    spec = load_spec(path)
    again = tmp_path / "again.toml"
    again.write_text(to_toml(spec))
    assert load_spec(again) == spec
    if not spec.verified:
        assert "not verified" in spec.standing


def test_only_what_ran_here_is_called_verified():
    assert {name for name, path in spec_files().items() if load_spec(path).verified} == {"fm6", "nekobi"}


def test_the_schema_is_up_to_date():
    assert (SPECS / "schema.json").read_text() == module.schema(), (
        "run: sds-bridge plugins schema > plugin_specs/schema.json"
    )


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("name = ", "nome = "), "name: Field required|nome"),
        (('"log"', '"exp"'), r"parameter\.0\.curve: .*\(got 'exp'\)"),
        (("low = 20.0", "low = 0.0"), r"parameter\.0: cutoff: a log curve needs low above 0"),
        (("high = 20000.0", "high = 2.0"), "low 20 is not below high 2"),
        (("verified = false", "verified = true"), "verified = true needs"),
        (("verified = false\n", ""), "verified: Field required"),
        (('curve = "log" }', 'curve = "log" }, { name = "cutoff" }'), "'cutoff' is listed twice"),
        (('curve = "log" }', 'curve = "log", default = 3.0 }'), "default 3 is not within"),
        (('name = "X"', 'name = "X'), "not readable as TOML"),
        (("files = {", "extra = 1\nfiles = {"), "extra: Extra inputs"),
    ],
)
def test_a_malformed_spec_is_one_line(tmp_path, change, where):
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    assert load_spec(path).name == "X"
    assert change[0] in GOOD
    path.write_text(GOOD.replace(*change))
    with pytest.raises(SpecError, match=where) as caught:
        load_spec(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_mapping_to_what_is_not_there_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(GOOD + '[mapping.fm.parameters]\ngain = "volume"\n')
    with pytest.raises(SpecError, match=r"mapping.fm names 'volume'"):
        load_spec(path)


def test_unreadable_specs(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        load_spec(tmp_path / "none.toml")
    with pytest.raises(SpecError, match="not readable as TOML"):
        load_spec(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="not readable as TOML"):
        load_spec(tmp_path / "binary.toml")
    with pytest.raises(SpecError, match=r"'moog' has no spec; there are: .*fm6"):
        find_plugin("moog")


def test_the_users_own_spec_goes_before_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("SDS_BRIDGE_SPECS", str(tmp_path))
    (tmp_path / "fm6.toml").write_text(GOOD)
    assert load_spec(spec_files()["fm6"]).name == "X"
    assert "nekobi" in spec_files()


def test_an_installed_plug_in_is_found_by_its_spec(tmp_path, monkeypatch):
    monkeypatch.setenv("SDS_BRIDGE_PLUGINS", str(tmp_path))
    monkeypatch.setattr(module, "system", lambda: "linux")
    assert find_plugin("fm6")[0] is None
    bundle = tmp_path / "SDS Bridge" / "FM6.vst3"
    (bundle / "Contents").mkdir(parents=True)
    (bundle / "Contents" / "inner.vst3").write_text("not one of its own")
    assert find_plugin("fm6")[0] == bundle
    assert list(folders.plugin_files([tmp_path])) == [bundle]
    assert find_plugin("FM6.vst3", tmp_path / "SDS Bridge")[1].name == "FM6"


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
def test_each_system_has_its_folders(system, monkeypatch):
    monkeypatch.delenv("SDS_BRIDGE_PLUGINS", raising=False)
    monkeypatch.delenv("SDS_BRIDGE_CACHE", raising=False)
    for name in ("LOCALAPPDATA", "COMMONPROGRAMFILES", "APPDATA"):
        monkeypatch.setenv(name, "/" + name.lower())
    monkeypatch.setattr(folders, "system", lambda: system)
    assert len(folders.plugin_folders()) == len(folders.PLUGIN_FOLDERS[system])
    for folder in [*folders.plugin_folders(), *folders.spec_folders(), folders.cache_folder()]:
        assert "~" not in str(folder) and "$" not in str(folder)


def test_positions_and_steps():
    ratio = ParameterSpec(name="r", low=0.5, high=16, step=0.5)
    assert ratio.positions == 32 and ratio.declared.to_position(16) == 1
    assert ParameterSpec(name="w", choices=["a", "b", "c"]).positions == 3
    assert ParameterSpec(name="x").positions == 0


def test_a_dx7_voice_maps_whole_onto_dexed():
    patch = Patch(synth="dx7", parameters={"algorithm": 4, "op3.coarse": 7, "op1.output_level": 90, "feedback": 7})
    spec = load_spec(spec_files()["dexed"])
    positions, lost = mapping.positions(patch, spec)
    assert lost == []
    assert positions["algorithm"] == pytest.approx(4 / 31) and positions["op3_f_coarse"] == pytest.approx(7 / 31)
    assert positions["feedback"] == 1 and positions["op6_switch"] == 1
    # the filter, the volume, the tuning and six switches are Dexed's own
    assert len(positions) == 155 == len(spec.parameter)


def test_values_beyond_the_range_are_cut_and_told():
    spec = PluginSpec.model_validate(
        {
            "name": "X",
            "maker": "M",
            "verified": False,
            "files": {},
            "parameter": [{"name": "volume", "high": 0.5}],
            "mapping": {"fm": {"parameters": {"gain": "volume"}}},
        }
    )
    positions, lost = mapping.positions(Patch(synth="fm", parameters={"gain": 1.5}), spec)
    assert positions == {"volume": 1.0}
    assert lost == ["gain 1.5  became 0.5, the end of volume's range"]
    with pytest.raises(SpecError, match="maps patches of fm; this one is modal"):
        mapping.positions(Patch(synth="modal", parameters={"pitch": 400.0}), spec)


def test_an_error_knows_whether_it_was_fatal():
    assert PluginError("x", fatal=True).fatal and not PluginError("x").fatal


def test_a_bad_spec_of_another_plug_in_is_no_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("SDS_BRIDGE_SPECS", str(tmp_path))
    bundle = tmp_path / "FM6.vst3"
    (tmp_path / "broken.toml").write_text("name = 1")
    assert find_plugin(str(bundle))[1].name == "FM6"
    (tmp_path / "broken.toml").write_text("name = 1\nfiles = { linux = ['FM6.vst3'] }")
    with pytest.raises(SpecError, match=r"broken\.toml"):
        find_plugin(str(bundle))
