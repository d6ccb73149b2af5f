"""What `daw install` writes and keeps, and that Pure Data's and Max's patches hold together."""

import json
import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from sds_bridge.cli import app
from sds_bridge.daw import install
from sds_bridge.daw.catalog import CONFIG, DAWS, HERE
from sds_bridge.errors import InputError


@pytest.mark.parametrize("name", DAWS)
def test_install_copies_and_tells_five_lines(name, tmp_path):
    ran = CliRunner().invoke(app, ["daw", "install", name, "--to", str(tmp_path / "here"), "--port", "9123"])
    assert ran.exit_code == 0 and len(ran.stdout.splitlines()) == 5, ran.output
    for source, target in DAWS[name].files.items():
        assert (tmp_path / "here" / target).read_bytes() == (HERE / source).read_bytes()
    if DAWS[name].configured:
        assert "port = 9123" in (tmp_path / "here" / DAWS[name].configured).read_text()
    assert list((tmp_path / "here").rglob("*.part")) == []


def test_a_changed_file_is_kept_and_said(tmp_path):
    reaper = DAWS["reaper"]
    install.install(reaper, tmp_path)
    mine = tmp_path / "sds_tune.lua"
    mine.write_text("-- mine")
    again = install.install(reaper, tmp_path, port=9001)
    assert mine.read_text() == "-- mine" and again.kept == [mine]
    assert (tmp_path / "sds_tune.lua.new").read_bytes() == (HERE / "reaper" / "sds_tune.lua").read_bytes()
    assert "port = 9001" in (tmp_path / CONFIG).read_text(), "ours, unchanged, is renewed"
    assert "kept, since you changed it" in install.report(reaper, again)[5]
    assert not install.install(reaper, tmp_path, force=True).kept
    assert mine.read_text() != "-- mine" and not (tmp_path / "sds_tune.lua.new").exists()


def test_a_file_of_the_users_own_that_we_never_wrote_is_kept(tmp_path):
    (tmp_path / "sds_tune.lua").write_text("-- theirs")
    assert install.install(DAWS["reaper"], tmp_path).kept == [tmp_path / "sds_tune.lua"]
    assert (tmp_path / "sds_tune.lua").read_text() == "-- theirs"


def test_the_scripts_pass_the_token_file_on(tmp_path):
    install.install(DAWS["reaper"], tmp_path, port=9100, token_file=tmp_path / "it's a token")
    program = """package.path = "?.lua"
        local config = dofile(arg[1])
        local request = { kind = "tune", subject = "kick", words = { "--synth", "fm" } }
        print(table.concat(require("bridge").words(config, "a.json", request), "\\n"))"""
    lua = shutil.which("lua5.4") or pytest.skip("lua5.4 isn't installed")
    (tmp_path / "try.lua").write_text(program)
    told = subprocess.run([lua, "try.lua", CONFIG], cwd=tmp_path, capture_output=True, text=True, check=True)
    words = told.stdout.splitlines()
    assert words[words.index("--token-file") + 1] == str(tmp_path / "it's a token")
    assert words[words.index("--port") + 1] == "9100" and words[-2:] == ["--", "kick"]


def test_folders_are_where_each_system_has_them(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    assert DAWS["ardour"].folder("linux") == tmp_path / ".config/ardour7/scripts"
    for version in (6, 8, 10):
        (tmp_path / ".config" / f"ardour{version}").mkdir(parents=True)
    assert DAWS["ardour"].folder("linux") == tmp_path / ".config/ardour10/scripts", "the newest"
    assert DAWS["reaper"].folder("windows") == tmp_path / "REAPER/Scripts/SDS Bridge"
    assert DAWS["max"].folder("macos") == tmp_path / "Documents/Max 8/Packages/SDS Bridge"
    assert DAWS["puredata"].folder("macos") == tmp_path / "Library/Pd"
    with pytest.raises(InputError, match="--to FOLDER"):
        install.install(DAWS["max"], on="linux")


def test_what_cannot_be_installed_is_told(tmp_path):
    assert CliRunner().invoke(app, ["daw", "install", "cubase"]).exception.args[0].startswith("'cubase': no such DAW")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        install.install(DAWS["reaper"], tmp_path / "file")


@pytest.mark.parametrize("file", sorted((HERE / "max").glob("sds-bridge.max*")), ids=lambda f: f.name)
def test_max_patches_cords_join_what_is_there(file):
    patch = json.loads(file.read_text())["patcher"]
    boxes = {b["box"]["id"]: b["box"] for b in patch["boxes"]}
    assert len(boxes) == len(patch["boxes"]) and patch["fileversion"] == 1
    wired = set()
    for line in patch["lines"]:
        (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"] and inlet < boxes[target]["numinlets"], line
        wired |= {source, target}
    for name, box in boxes.items():
        assert name in wired or box["maxclass"] == "comment", box
        assert len(box.get("outlettype", [])) == box["numoutlets"]
        left, top, width, height = box["patching_rect"]
        assert left >= 0 and top >= 0 and width > 0 and height > 0
        if box.get("text", "").startswith("route "):
            assert box["numoutlets"] == len(box["text"].split())


def test_max_sends_and_hears_the_daemons_addresses():
    from sds_bridge.daemon.addresses import TABLE

    text = (HERE / "max" / "sds-bridge.maxpat").read_text()
    used = set(re.findall(r"/sds/[a-z_/]+", text))
    assert {"/sds/tune", "/sds/separate", "/sds/job/cancel", "/sds/job/done", "/sds/error"} <= used <= set(TABLE)


@pytest.mark.parametrize("file", sorted((HERE / "puredata").glob("*.pd")), ids=lambda f: f.name)
def test_pure_data_patches_cords_join_what_is_there(file):
    records = file.read_text().rstrip().removesuffix(";").split(";\n")
    objects = [r for r in records if re.match(r"#X (obj|msg|text) ", r)]
    cords = [tuple(map(int, r.split()[2:])) for r in records if r.startswith("#X connect ")]
    assert records[0].startswith("#N canvas") and len(objects) + len(cords) + 1 == len(records)
    assert all(a < len(objects) and b < len(objects) for a, _, b, _ in cords)
