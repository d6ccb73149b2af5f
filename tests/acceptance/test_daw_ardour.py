"""Ardour itself, without a display, runs the scripts that `daw install ardour` puts there."""

import os
import re
import shutil
import subprocess
import time

import ardour_session
import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess, no_traceback
from hosted import vst3

from sds_bridge.daw import install
from sds_bridge.daw.catalog import DAWS
from sds_bridge.host.mapping import positions
from sds_bridge.host.spec import find_plugin
from sds_bridge.patch import Patch

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("ardour7-lua") is None, reason="Ardour 7 isn't installed: apt-get install ardour"),
]
RATE, POSITION = 48_000, 30_011

OPEN = """
AudioEngine:set_backend("None (Dummy)", "", "")
local folder = "%(scripts)s"
local sds = assert(loadfile(folder .. "/sds_ardour.lua"))(folder)
local heard = {}
local function show(state) heard[#heard + 1] = sds.bridge.told(state) return false end
local function track_named(session, name)
	for track in session:get_tracks():iter() do
		if track:name() == name then return track:to_track() end
	end
end
local function only_region(track)
	for region in track:playlist():region_list():iter() do return region end
end
"""
MAKE = """
local session = create_session("%(folder)s", "session", 48000)
sds.place_in_file(session, { { name = "song", path = "%(clip)s" } }, %(channels)d, %(position)d)
quit()
"""
TRIM = """
local session = load_session("%(folder)s", "session")
local region = only_region(track_named(session, "song"))
region:trim_front(Temporal.timepos_t(%(start)d))
region:trim_end(Temporal.timepos_t(%(last)d))
session:save_state("")
close_session()
quit()
"""
SEPARATE = """
local session = load_session("%(folder)s", "session")
local region = only_region(track_named(session, "song"))
local answer = sds.separate(session, region, { "kick drum", "tenor saxophone" }, { "steps=2" }, show)
sds.place_in_file(session, answer.stems, answer.channels, region:position():samples(), region)
print("heard|" .. heard[#heard] .. "|" .. answer.folder)
quit()
"""
REFUSED = """
local session = load_session("%(folder)s", "session")
local region = only_region(track_named(session, "song"))
print("refused|" .. select(2, pcall(sds.separate, session, region, { "kick" }, { "steps=-1" }, show)))
print("refused|" .. select(2, pcall(sds.separate, session, region, {}, {}, show)))
close_session()
quit()
"""
CANCEL = """
local session = load_session("%(folder)s", "session")
local region = only_region(track_named(session, "song"))
local cancelling = function(state) return state and state.step and state.step >= 1 end
print("cancelled|" .. select(2, pcall(sds.separate, session, region, { "kick" }, { "steps=100000" }, cancelling)))
close_session()
quit()
"""
TUNE = """
local session = create_session("%(folder)s", "session", 48000)
local answer = sds.tune(session, "kick drum, bass", "fm", "fm6", { "steps=2", "batch=1", "candidates=0" }, show)
local placed = sds.place_patch(session, answer, "kick")
local insert = track_named(session, "kick"):nth_plugin(0):to_insert()
local loaded = insert:plugin(0)
for i = 0, loaded:parameter_count() - 1 do
	local value = ARDOUR.LuaAPI.get_plugin_insert_param(insert, i, 0)
	local _, about = loaded:get_parameter_descriptor(i, ARDOUR.ParameterDescriptor())
	local position = (value - about[2].lower) / (about[2].upper - about[2].lower)
	print(string.format("parameter|%%s|%%.9g", loaded:parameter_label(i):gsub(" ", "_"), position))
end
print("placed|" .. placed .. "|" .. answer.folder)
session:save_state("")
close_session()
quit()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home with our scripts, and a daemon that may read it."""
    home = tmp_path_factory.mktemp("ardour")
    (home / "tmp").mkdir()
    with DaemonProcess(home / "bridge", "--allow", str(home)) as daemon:
        install.install(DAWS["ardour"], home / "scripts", daemon.port)
        yield Place(home, daemon)


class Place:
    def __init__(self, home, daemon):
        self.home, self.daemon = home, daemon

    def lua(self, text, **values):
        """What the script printed."""
        script = self.home / "drive.lua"
        script.write_text((OPEN + text) % {"scripts": self.home / "scripts" / "sds-bridge", **values})
        done = subprocess.run(
            ["ardour7-lua", str(script)], env=self.environment(), capture_output=True, text=True, timeout=120
        )
        assert "Error: " not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout + done.stderr

    def environment(self):
        return {**os.environ, "HOME": str(self.home), "LD_LIBRARY_PATH": ""}

    def export(self, folder):
        out = self.home / f"{folder.name}-{time.monotonic_ns()}.wav"
        subprocess.run(
            ["ardour7-export", "-b", "float", "-o", str(out), str(folder), "session"],
            env=self.environment(),
            capture_output=True,
            timeout=120,
        )
        return soundfile.read(out, dtype="float64", always_2d=True)[0]


def song(path):
    t = np.arange(2 * RATE) / RATE
    rng = np.random.default_rng(3)
    left = 0.4 * np.exp(-8 * (t % 0.5)) * np.sin(2 * np.pi * 60 * t) + 0.02 * rng.standard_normal(len(t))
    right = 0.3 * np.sign(np.sin(2 * np.pi * 311 * t)) * np.exp(-t)
    samples = np.stack([left, right], 1).astype(np.float32)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return samples


def decibels(difference):
    return 20 * np.log10(max(np.abs(difference).max(), 1e-12))


@pytest.fixture(scope="module")
def session(place):
    samples = song(place.home / "song.wav")
    folder = place.home / "song"
    place.lua(MAKE, folder=folder, clip=place.home / "song.wav", channels=2, position=POSITION)
    return folder, samples


def test_a_separated_region_nulls_against_its_clip(place, session):
    folder, samples = session
    before = place.export(folder)
    assert decibels(before[POSITION : POSITION + len(samples)] - samples) <= -120 and not before[:POSITION].any()

    said = place.lua(SEPARATE, folder=folder)
    job_folder = re.search(r"heard\|done, step 2 of 2\|(\S+)", said)[1]
    assert len(soundfile.SoundFile(f"{job_folder}/01-kick-drum.wav")) == len(samples)
    xml = (folder / "session.ardour").read_text()
    for name in ("kick drum", "tenor saxophone", "residual"):
        assert re.search(rf'<Playlist id="\d+" name="{name}', xml)
    assert not list(folder.glob("sds-*")), "the clip and the answer are cleared away"

    # the region is muted, so this is the stems alone
    after = place.export(folder)
    assert not after[:POSITION].any()
    difference = decibels(after[POSITION : POSITION + len(samples)] - samples)
    print(f"export against the clip: {difference:.1f} dBFS")
    assert difference <= -90
    no_traceback(place.daemon)


def test_a_trimmed_mono_region_nulls_where_it_lies(place):
    mono = song(place.home / "mono.wav")[:, 1]
    soundfile.write(place.home / "mono.wav", mono, RATE, subtype="PCM_24")
    folder = place.home / "trimmed"
    place.lua(MAKE, folder=folder, clip=place.home / "mono.wav", channels=1, position=POSITION)
    place.lua(TRIM, folder=folder, start=POSITION + 9_001, last=POSITION + 60_000)
    before = place.export(folder)
    assert not before[: POSITION + 9_001].any()
    # a trim has fades of 64 samples, and Ardour's panner puts a mono track 3 dB down on both sides
    heard = before[POSITION + 9_100 : POSITION + 59_900, 0]
    assert decibels(heard - mono[9_100:59_900] / np.sqrt(2)) <= -60
    said = place.lua(SEPARATE, folder=folder)
    job_folder = re.search(r"heard\|done, step 2 of 2\|(\S+)", said)[1]
    stem = soundfile.info(f"{job_folder}/01-kick-drum.wav")
    assert stem.channels == 1 and abs(stem.frames - 51_000) <= 1
    after = place.export(folder)
    assert not after[: POSITION + 9_001].any()
    assert decibels(after[POSITION + 9_100 : POSITION + 59_900] - before[POSITION + 9_100 : POSITION + 59_900]) <= -90


def test_what_is_refused_is_told_in_one_line(place, session):
    said = [line for line in place.lua(REFUSED, folder=session[0]).splitlines() if line.startswith("refused")]
    assert "steps" in said[0] and "greater than or equal to 0" in said[0]
    assert "no stem is named" in said[1]


def test_a_cancelled_window_cancels_the_job(place, session):
    said = place.lua(CANCEL, folder=session[0])
    assert re.search(r"cancelled\|the job cancelled", said), said
    assert place.daemon.client.ask("/sds/job/list")[0].split()[1] == "cancelled"


def test_a_tuned_patch_is_a_midi_track_with_its_plugin(place):
    plugin = vst3("FM6")
    bundles = place.home / ".vst3"
    bundles.mkdir()
    shutil.copytree(plugin, bundles / plugin.name)
    time.sleep(1.1)  # the scanner passes over what is not older than its cache
    scanner = [str(ardour_session.LIBRARIES / "ardour-vst3-scanner"), "-f", str(bundles / plugin.name)]
    subprocess.run(scanner, env=place.environment() | {"LD_LIBRARY_PATH": str(ardour_session.LIBRARIES)}, timeout=60)
    said = place.lua(TUNE, folder=place.home / "tuned")
    placed, job_folder = re.search(r"placed\|(\d+)\|(\S+)", said).groups()
    wanted, _ = positions(Patch.load(f"{job_folder}/patch.json"), find_plugin("fm6")[1])
    # the ratios have 32 steps
    wanted = {name: round(at * 31) / 31 if name.endswith("ratio") else at for name, at in wanted.items()}
    heard = {name: float(value) for name, value in re.findall(r"parameter\|(.+)\|(\S+)", said)}
    assert int(placed) == len(wanted) > 20
    assert {name: heard[name] for name in wanted} == pytest.approx(wanted, abs=1e-5)
    xml = (place.home / "tuned" / "session.ardour").read_text()
    assert 'name="kick" default-type="midi"' in xml and "FM6" in xml
