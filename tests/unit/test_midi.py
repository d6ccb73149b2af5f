"""MIDI files made note by note, and files that aren't MIDI."""

import mido
import pytest

from sds_bridge.errors import InputError
from sds_bridge.tasks import midi
from sds_bridge.tasks.midi import Note, read_song

BEAT = 480  # ticks, 0.5 s at the default tempo


@pytest.fixture
def write(tmp_path):
    def write(*tracks, **header):
        file = mido.MidiFile(ticks_per_beat=header.pop("ticks_per_beat", BEAT), **header)
        for events in tracks:
            track, last = mido.MidiTrack(), 0
            for tick, message in events:
                track.append(message.copy(time=tick - last))
                last = tick
            file.tracks.append(track)
        file.save(tmp_path / "song.mid")
        return tmp_path / "song.mid"

    return write


def on(pitch, velocity=100, channel=0):
    return mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)


def off(pitch, channel=0):
    return mido.Message("note_off", note=pitch, channel=channel)


def cc(control, value, channel=0):
    return mido.Message("control_change", control=control, value=value, channel=channel)


def tempo(microseconds):
    return mido.MetaMessage("set_tempo", tempo=microseconds)


def spans(song):
    return [(round(n.start, 6), round(n.seconds, 6), n.pitch) for n in song.notes]


def test_notes_velocities_and_lengths(write):
    path = write([(0, on(60, 1)), (BEAT, off(60)), (BEAT, on(64, 127)), (4 * BEAT, on(64, 0))])
    assert read_song(path).notes == [Note(0.0, 0.5, 60, 1, 1), Note(0.5, 1.5, 64, 127, 1)]


def test_tempo_changes_within_a_note_and_from_another_track(write):
    notes = [(0, on(60)), (2 * BEAT, off(60)), (2 * BEAT, on(62)), (3 * BEAT, off(62))]
    path = write([(0, tempo(500_000)), (BEAT, tempo(1_000_000))], notes, type=1)
    assert spans(read_song(path)) == [(0.0, 1.5, 60), (1.5, 1.0, 62)]


def test_smpte_division(write, tmp_path):
    path = write([(0, on(60)), (1000, off(60))])
    data = bytearray(path.read_bytes())
    data[12:14] = bytes([0x100 - 25, 40])
    path.write_bytes(data)
    assert spans(read_song(path)) == [(0.0, 1.0, 60)]
    data[12:14] = bytes([0x100 - 99, 40])
    path.write_bytes(data)
    with pytest.raises(InputError, match="time division"):
        read_song(path)


def test_channels_merged_or_chosen(write):
    path = write([(0, on(60, channel=0)), (0, on(36, channel=9)), (BEAT, off(60)), (2 * BEAT, off(36, channel=9))])
    assert [(n.pitch, n.channel) for n in read_song(path).notes] == [(36, 10), (60, 1)]
    assert spans(read_song(path, channel=10)) == [(0.0, 1.0, 36)]
    with pytest.raises(InputError, match="no notes on channel 3"):
        read_song(path, channel=3)
    with pytest.raises(InputError, match="channel 17: MIDI channels are 1 to 16"):
        read_song(path, channel=17)


def test_one_key_on_two_channels_is_two_keys(write):
    path = write([(0, on(60)), (0, on(60, channel=1)), (BEAT, off(60, channel=1)), (2 * BEAT, off(60))])
    assert [(n.seconds, n.channel) for n in read_song(path).notes] == [(1.0, 1), (0.5, 2)]


def test_overlapping_presses_of_one_key_end_first_in_first_out(write):
    path = write([(0, on(60, 10)), (BEAT, on(60, 20)), (2 * BEAT, off(60)), (4 * BEAT, off(60))])
    assert [(n.start, n.seconds, n.velocity) for n in read_song(path).notes] == [(0.0, 1.0, 10), (0.5, 1.5, 20)]


def test_a_note_off_at_the_tick_of_the_next_note_on_ends_the_earlier(write):
    path = write([(0, on(60)), (BEAT, on(60)), (BEAT, off(60)), (2 * BEAT, off(60))])
    assert spans(read_song(path)) == [(0.0, 0.5, 60), (0.5, 0.5, 60)]


def test_pedal_holds_until_it_is_up(write):
    path = write(
        [(0, cc(64, 127)), (0, on(60)), (BEAT, off(60)), (3 * BEAT, cc(64, 0)), (4 * BEAT, on(62)), (5 * BEAT, off(62))]
    )
    assert spans(read_song(path)) == [(0.0, 1.5, 60), (2.0, 0.5, 62)]


def test_pedal_below_64_is_up_and_a_held_key_outlasts_it(write):
    path = write([(0, cc(64, 63)), (0, on(60)), (BEAT, off(60))])
    assert spans(read_song(path)) == [(0.0, 0.5, 60)]
    path = write([(0, cc(64, 64)), (0, on(60)), (BEAT, cc(64, 0)), (2 * BEAT, off(60))])
    assert spans(read_song(path)) == [(0.0, 1.0, 60)]


def test_pedalled_key_struck_again_ends_the_ringing_one(write):
    path = write(
        [(0, cc(64, 127)), (0, on(60)), (BEAT, off(60)), (2 * BEAT, on(60)), (3 * BEAT, off(60)), (4 * BEAT, cc(64, 0))]
    )
    assert spans(read_song(path)) == [(0.0, 1.0, 60), (1.0, 1.0, 60)]


def test_pedal_of_one_channel_leaves_the_others(write):
    path = write([(0, cc(64, 127, 1)), (0, on(60)), (BEAT, off(60)), (4 * BEAT, cc(64, 0, 1))])
    assert spans(read_song(path)) == [(0.0, 0.5, 60)]


def test_all_notes_off_obeys_the_pedal_and_all_sound_off_does_not(write):
    held = [(0, cc(64, 127)), (0, on(60)), (0, on(64))]
    path = write([*held, (BEAT, cc(123, 0)), (3 * BEAT, cc(64, 0))])
    assert spans(read_song(path)) == [(0.0, 1.5, 60), (0.0, 1.5, 64)]
    path = write([*held, (BEAT, cc(120, 0)), (3 * BEAT, cc(64, 0))])
    assert spans(read_song(path)) == [(0.0, 0.5, 60), (0.0, 0.5, 64)]


def test_open_notes_end_with_the_file_and_empty_ones_last_ten_milliseconds(write):
    path = write([(0, on(60)), (0, on(62)), (0, off(62)), (2 * BEAT, mido.MetaMessage("end_of_track"))])
    assert spans(read_song(path)) == [(0.0, 1.0, 60), (0.0, midi.SHORTEST_NOTE, 62)]


def test_a_note_off_without_a_note_is_nothing(write):
    assert spans(read_song(write([(0, off(60)), (BEAT, on(60)), (2 * BEAT, off(60))]))) == [(0.5, 0.5, 60)]


def test_what_is_not_followed_is_named(write):
    bend = mido.Message("pitchwheel", pitch=100)
    touch = mido.Message("aftertouch", value=3, channel=2)
    path = write([(0, on(60)), (1, bend), (2, touch), (BEAT, off(60))])
    assert read_song(path).ignored == ["aftertouch", "pitch bend"]
    assert read_song(path, channel=1).ignored == ["pitch bend"]


def test_every_truncation_is_read_or_refused_in_one_line(write):
    path = write([(0, tempo(400_000)), (0, on(60)), (BEAT, off(60)), (BEAT, on(62)), (2 * BEAT, off(62))])
    whole = path.read_bytes()
    refused = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            read_song(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused == len(whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"just a text, named .mid\nwith two lines\n", "not a standard MIDI file"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not a standard MIDI file"),
        (b"MThd\x00\x00\x00\x06\x00\x01\x00\x00\x01\xe0", "no notes"),
        (b"MThd\x00\x00\x00\x06\x00\x01\x00\x00\x00\x00", "0 ticks a beat"),
        (b"MThd\x00\x00\x00\x06\x00\x02\x00\x00\x01\xe0", "type 2"),
        (b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0MTrk\xff\xff\xff\xff\x00", "not a standard|cut short"),
    ],
)
def test_files_that_are_not_songs(tmp_path, content, message):
    path = tmp_path / "song.mid"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_song(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_file_folder_and_giants(write, tmp_path, monkeypatch):
    for path in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            read_song(path)
    giant = tmp_path / "giant.mid"
    with giant.open("wb") as file:
        file.truncate(midi.LARGEST_BYTES + 1)
    with pytest.raises(InputError, match="at most 8 MiB"):
        read_song(giant)
    with pytest.raises(InputError, match="longer than 600 s"):
        read_song(write([(0, on(60)), (1300 * BEAT, off(60))]))
    monkeypatch.setattr(midi, "MOST_NOTES", 1)
    with pytest.raises(InputError, match="2 notes; at most 1"):
        read_song(write([(0, on(60)), (BEAT, off(60)), (BEAT, on(60)), (2 * BEAT, off(60))]))
