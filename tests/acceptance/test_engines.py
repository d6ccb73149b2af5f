"""Engines refuse what isn't theirs in one line, and tell how to get them where they aren't."""

import pytest

from sds_bridge.errors import FormatError
from sds_bridge.formats.catalog import FORMATS
from sds_bridge.tasks.engines.base import Engine, package_version, program_version
from sds_bridge.tasks.engines.catalog import ENGINES

BROKEN = {
    "faust": "process = ;",
    "supercollider": "SynthDef(\\x, { |",
    "sfz": "garbage",
    "vital": '{"settings": ',
    "opm": "@:0 x\nCH: 64\n",
}


@pytest.mark.parametrize("to", BROKEN)
def test_a_broken_file_is_refused_in_one_line(to, tmp_path):
    if ENGINES[to].version() is None:
        pytest.skip(ENGINES[to].state())
    path = tmp_path / f"broken{FORMATS[to].suffix}"
    path.write_text(BROKEN[to], encoding="utf-8")
    with pytest.raises(FormatError) as caught, ENGINES[to].opened(path):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("to", ENGINES)
def test_an_engine_tells_its_version_or_how_to_get_it(to):
    version = ENGINES[to].version()
    assert (version or "install ") in ENGINES[to].state()


def test_what_is_not_there_has_no_version():
    assert package_version("sds-no-such-package") is None
    assert program_version("sds-no-such-program", "-v") is None
    engine = Engine("X", "apt-get install x", lambda: None, ENGINES["opm"].opened)
    assert engine.state() == "X isn't installed: apt-get install x"
