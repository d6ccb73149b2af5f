"""An Ardour 7 session with one MIDI track through a VST3, made and exported without a display.

The Lua that ``ardour7-lua`` runs makes the session; it can't import MIDI, so the region, its source and the cables to
the master are written into the session's XML. Positions are ``b`` ticks (1920 a beat) or ``a`` superclocks (5880 a
sample at 48 kHz).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

LIBRARIES = Path("/usr/lib/ardour7")
RATE, SUPERCLOCKS, TICKS = 48_000, 5880, 1920

MAKE = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session("%(folder)s", "session", 48000)
local plugin = ARDOUR.LuaAPI.new_plugin_info("%(plugin)s", ARDOUR.PluginType.VST3)
assert(plugin and not plugin:isnil(), "the plug-in isn't known")
local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
local stereo = ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2)
local last, mode = ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal
session:new_midi_track(midi, stereo, false, plugin, nil, nil, 1, "lead", last, mode, true)
session:save_state("")
close_session()
quit()
"""
REGION = (
    '<Region name="song" muted="0" opaque="1" locked="0" video-locked="0" automatic="0" whole-file="%(whole)d" import="0"'
    ' external="0" sync-marked="0" left-of-split="0" right-of-split="0" hidden="0" position-locked="0"'
    ' valid-transients="0" start="b0" length="b%(ticks)d@b0" sync-position="b0" ancestral-start="b0"'
    ' ancestral-length="b0@b0" stretch="1" shift="1" layering-index="0" tags="" contents="0" type="midi"'
    ' first-edit="nothing" source-0="5001" master-source-0="5001" id="%(id)d"/>'
)


def export(plugin: Path, song: Path, seconds: float, scratch: Path) -> Path:
    """The song at 120 beats a minute through the plug-in, as a float WAV at 48 kHz. Skips where Ardour isn't."""
    if not shutil.which("ardour7-export"):
        pytest.skip("Ardour 7 isn't installed: apt-get install ardour")
    home, folder = scratch / "home", scratch / "session"
    (home / ".vst3").mkdir(parents=True)
    shutil.copytree(plugin, home / ".vst3" / plugin.name)
    environment = {**os.environ, "HOME": str(home), "LD_LIBRARY_PATH": str(LIBRARIES)}
    # the scanner passes over what is not older than its cache
    time.sleep(1.1)
    _run([str(LIBRARIES / "ardour-vst3-scanner"), "-f", str(home / ".vst3" / plugin.name)], environment)
    lua = scratch / "make.lua"
    lua.write_text(MAKE % {"folder": folder, "plugin": plugin.stem})
    environment["LD_LIBRARY_PATH"] = ""
    _run(["ardour7-lua", str(lua)], environment)
    shutil.copy(song, folder / "interchange" / "session" / "midifiles" / "song.mid")
    path = folder / "session.ardour"
    path.write_text(_with_song(path.read_text(), seconds))
    out = scratch / "ardour.wav"
    _run(["ardour7-export", "-b", "float", "-o", str(out), str(folder), "session"], environment)
    assert out.exists()
    return out


def _with_song(xml: str, seconds: float) -> str:
    ticks = round(2 * seconds * TICKS)
    source = '<Source name="song.mid" take-id="" type="midi" flags="" id="5001" origin=""/>'
    end = round(seconds * RATE) * SUPERCLOCKS
    span = (
        f'<Location id="5010" name="session" start="a0" end="a{end}" flags="IsSessionRange" locked="0" timestamp="0"/>'
    )
    whole, part = (REGION % {"whole": w, "ticks": ticks, "id": 5002 + w} for w in (1, 0))
    for name, content in (("Sources", source), ("Regions", whole), ("Locations", span)):
        assert f"<{name}/>" in xml
        xml = xml.replace(f"<{name}/>", f"<{name}>{content}</{name}>")
    xml = re.sub(r'(<Playlist id="\d+" name="lead"[^>]*)/>', rf"\1>{part}</Playlist>", xml)
    for side in (1, 2):
        ends = (f"lead/audio_out {side}", f"Master/audio_in {side}")
        for mine, other in (ends, ends[::-1]):
            port = f'<Port type="audio" name="{mine}"'
            assert f"{port}/>" in xml
            xml = xml.replace(f"{port}/>", f'{port}><Connection other="{other}"/></Port>')
    return xml


def _run(command: list[str], environment: dict[str, str]) -> None:
    # Ardour may crash while it closes down; what it wrote is checked by those who use it
    subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
