"""Session files: what is taken, and one line for what isn't."""

from __future__ import annotations

import mido
import pytest

from sds_bridge.errors import SpecError
from sds_bridge.tasks.midi import MidiSong
from sds_bridge.tasks.session import Session, load_session

GOOD = """
rate = 44100
depth = "16"
[[track]]
name = "bass"
midi = "song.mid"
plugin = "nekobi"
effects = [{ effect = "Reverb", parameters = { room_size = 0.3 } }]
[[track]]
name = "lead"
midi = "song.mid"
channel = 2
patch = "patch.json"
gain = -6.0
pan = -1.0
"""


def test_a_session_is_read(tmp_path):
    path = tmp_path / "session.toml"
    path.write_text(GOOD)
    session = load_session(path)
    assert [t.name for t in session.track] == ["bass", "lead"]
    assert (session.rate, session.depth, session.tail, session.track[1].pan) == (44100, "16", 2.0, -1.0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('depth = "16"', 'depth = "20"', "depth: .*got '20'"),
        ("rate = 44100", "rate = 100", "rate: .*got '100'"),
        ("channel = 2", "channel = 17", r"track\.1\.channel"),
        ('patch = "patch.json"', "", "'lead' has no instrument"),
        ('patch = "patch.json"', 'patch = "p.json"\npreset = "x.vstpreset"', "a preset and parameters are a plug-in's"),
        ('name = "lead"', 'name = "Bass"', "two tracks are called 'bass'"),
        ('name = "lead"', 'name = "mix"', "can't be called 'mix'"),
        ('name = "lead"', 'name = "../lead"', "can't be a file's name"),
        ('effect = "Reverb"', 'wobble = "Reverb"', r"track\.0\.effects\.0"),
        (
            'effect = "Reverb", parameters = { room_size = 0.3 }',
            'plugin = "x.vst3", parameters = { a = "loud" }',
            "positions from 0 to 1",
        ),
        ('effect = "Reverb"', 'effect = "Reverb", plugin = "x.vst3"', "either an effect"),
        ("pan = -1.0", "pan = -2.0", "pan"),
        ("gain = -6.0", "gain = nan", "gain"),
        ("[[track]]", "[[trak]]", "track: Field required|trak"),
        ("rate = 44100", "rate = ", "not readable as TOML"),
    ],
)
def test_a_malformed_session_is_one_line(tmp_path, old, new, says):
    path = tmp_path / "session.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SpecError, match=says) as caught:
        load_session(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_defaults_are_not_shared():
    track = {"name": "a", "midi": "a.mid", "plugin": "fm6"}
    one, other = Session(track=[track]), Session(track=[track])
    one.track[0].parameters["gain"] = 1.0
    assert other.track[0].parameters == {}


def test_a_plug_in_gets_every_message_of_its_channel(tmp_path):
    song = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    song.tracks.append(track)
    track += [
        mido.Message("control_change", channel=1, control=1, value=64),
        mido.Message("note_on", channel=0, note=40),
        mido.Message("note_on", channel=1, note=60, time=480),
        mido.Message("pitchwheel", channel=1, pitch=100, time=240),
        mido.Message("note_off", channel=0, note=40, time=240),
    ]
    song.save(tmp_path / "song.mid")
    events = MidiSong(tmp_path / "song.mid").events(2)
    assert [(t, data[0] & 0xF0) for t, data in events] == [(0.0, 0xB0), (0.5, 0x90), (0.75, 0xE0), (1.0, 0x80)]
    # the key that nobody let go of ends with the file
    assert events[-1][1][1] == 60 and all(data[0] & 0x0F == 1 for _, data in events)


def test_an_effect_takes_no_nan():
    with pytest.raises(ValueError, match="gain_db of Gain: nan is no number"):
        Session(
            track=[
                {
                    "name": "a",
                    "midi": "a.mid",
                    "patch": "p.json",
                    "effects": [{"effect": "Gain", "parameters": {"gain_db": float("nan")}}],
                }
            ]
        )


def test_a_depth_may_be_a_number():
    tracks = [{"name": "a", "midi": "a.mid", "patch": "p.json"}]
    assert Session(depth=16, track=tracks).depth == "16"
    with pytest.raises(ValueError, match="'16', '24' or '32f'"):
        Session(depth=32, track=tracks)
