"""A MIDI file through a patch: what sounds when, how long, how loud."""

import mido
import numpy as np
import pytest
import torch

from sds_bridge import audio
from sds_bridge.errors import InputError, PatchError
from sds_bridge.patch import Patch
from sds_bridge.tasks import render as task
from sds_bridge.tasks import voices
from sds_bridge.tasks.midi import Note
from sds_bridge.tasks.render import render

RATE = 16_000
FM = {"op1.attack": 0.001, "op1.sustain": 1.0, "op1.release": 0.02, "velocity.amount": 1.0}
FM_QUIET_REST = {"noise.decay": 0.01, "reverb.time": 0.1} | {f"op{i}.release": 0.02 for i in range(2, 5)}


@pytest.fixture
def patch(tmp_path):
    return Patch(synth="fm", parameters=FM | FM_QUIET_REST).save(tmp_path / "patch.json")


@pytest.fixture
def song(tmp_path):
    def song(*notes):
        """Notes as (start s, length s, pitch, velocity)."""
        events = [(s, mido.Message("note_on", note=p, velocity=v)) for s, _, p, v in notes]
        events += [(s + d, mido.Message("note_off", note=p)) for s, d, p, _ in notes]
        track, last = mido.MidiTrack(), 0
        for at, message in sorted(events, key=lambda event: event[0]):
            tick = round(at * 960)
            track.append(message.copy(time=tick - last))
            last = tick
        file = mido.MidiFile()
        file.tracks.append(track)
        file.save(tmp_path / "song.mid")
        return tmp_path / "song.mid"

    return song


def play(song, patch, tmp_path, **options):
    out = tmp_path / "stem.wav"
    result = render(song, patch, out, rate=RATE, force=True, **options)
    assert result.files == [out]
    return audio.load(out), result


def loudness(clip, start, end):
    return float(np.sqrt(np.mean(clip.samples[:, round(start * RATE) : round(end * RATE)] ** 2)))


def test_notes_sound_when_and_as_long_as_written(song, patch, tmp_path):
    clip, result = play(song((0.25, 0.5, 69, 127), (1.25, 0.25, 69, 127)), patch, tmp_path)
    assert (clip.rate, clip.samples.shape[0], clip.subtype) == (RATE, 2, "FLOAT")
    assert loudness(clip, 0, 0.24) == 0.0
    assert loudness(clip, 0.3, 0.7) > 0.1
    assert loudness(clip, 0.85, 1.2) < 1e-4
    assert loudness(clip, 1.3, 1.45) > 0.1
    assert clip.seconds == pytest.approx(1.53, abs=0.05)
    assert result.summary["notes"] == result.summary["rendered"] == 2


def test_pitch_is_the_notes(song, patch, tmp_path):
    clip, _ = play(song((0.0, 1.0, 69, 127)), patch, tmp_path)
    spectrum = np.abs(np.fft.rfft(clip.samples[0, :RATE] * np.hanning(RATE)))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_velocity_is_followed(song, patch, tmp_path):
    clip, _ = play(song((0.0, 0.5, 60, 127), (1.0, 0.5, 60, 64)), patch, tmp_path)
    ratio = loudness(clip, 1.1, 1.4) / loudness(clip, 0.1, 0.4)
    assert ratio == pytest.approx((64 / 127) ** 2, rel=0.02)


def test_chord_is_the_sum_of_its_notes(song, patch, tmp_path):
    notes = [(0.0, 0.5, 60, 100), (0.1, 0.5, 64, 80), (0.2, 0.3, 60, 100)]
    chord, _ = play(song(*notes[:2]), patch, tmp_path)
    alone = [play(song(note), patch, tmp_path)[0].samples for note in notes[:2]]
    length = chord.samples.shape[1]
    total = sum(audio.fit_length(samples, length) for samples in alone)
    np.testing.assert_allclose(chord.samples, total, atol=1e-6)


def test_repeated_notes_are_rendered_once_and_memory_stays_bounded(song, patch, tmp_path, monkeypatch):
    repeats = song(*((0.25 * i, 0.125, 60 + i % 2, 100) for i in range(16)))
    clip, result = play(repeats, patch, tmp_path)
    assert (result.summary["notes"], result.summary["rendered"]) == (16, 2)
    monkeypatch.setattr(voices, "CACHE_BYTES", 1)
    again, result = play(repeats, patch, tmp_path)
    assert result.summary["rendered"] == 16
    np.testing.assert_array_equal(again.samples, clip.samples)


def test_tail_cuts_without_a_click(song, tmp_path):
    slow = Patch(synth="fm", parameters=FM | {"op1.release": 4.0}).save(tmp_path / "slow.json")
    whole, _ = play(song((0.0, 0.5, 60, 127)), slow, tmp_path)
    cut, _ = play(song((0.0, 0.5, 60, 127)), slow, tmp_path, tail=0.25)
    assert whole.seconds > 3.0
    assert cut.seconds == pytest.approx(0.75, abs=0.01)
    assert np.abs(cut.samples[:, -1]).max() == 0.0


def test_modal_patch(song, tmp_path):
    bell = Patch(synth="modal", settings={"modes": 8}, parameters={"modes.decay": [0.2] * 8}).save(
        tmp_path / "bell.json"
    )
    clip, _ = play(song((0.0, 0.1, 60, 127), (0.5, 0.1, 72, 127)), bell, tmp_path)
    assert np.abs(clip.samples).max() > 0.01


def test_progress_and_stop(song, patch, tmp_path):
    steps = []
    notes = song((0, 0.1, 60, 100), (0.2, 0.1, 61, 100), (0.4, 0.1, 62, 100))
    play(notes, patch, tmp_path, report=steps.append)
    assert [(p.step, p.steps) for p in steps] == [(1, 3), (2, 3), (3, 3)]
    assert steps[-1].seconds_left == 0.0
    assert {p.message for p in steps} == {""}
    out = tmp_path / "stopped.wav"
    answers = iter([False, True])
    result = render(notes, patch, out, rate=RATE, should_stop=lambda: next(answers))
    assert (result.stopped, result.files, out.exists()) == (True, [], False)


def test_what_is_not_followed_is_said_once(song, patch, tmp_path):
    path = song((0, 0.1, 60, 100), (0.2, 0.1, 61, 100))
    file = mido.MidiFile(path)
    file.tracks[0].insert(0, mido.Message("pitchwheel", pitch=100))
    file.save(path)
    steps = []
    _, result = play(path, patch, tmp_path, report=steps.append)
    assert [p.message for p in steps] == ["the file's pitch bend is not followed", ""]
    assert result.summary["ignored"] == ["pitch bend"]


def test_bad_requests_write_nothing(song, patch, tmp_path):
    notes = song((0, 0.1, 60, 100))
    taken = tmp_path / "taken.wav"
    taken.write_bytes(b"mine")
    text = tmp_path / "text.json"
    text.write_text("{}")
    out = tmp_path / "out.wav"
    cases = [
        ((notes, patch, taken), {}, InputError, "taken.wav: exists"),
        ((notes, patch, tmp_path / "out.mp3"), {}, InputError, "ends in .wav"),
        ((notes, patch, tmp_path / "no" / "out.wav"), {}, InputError, "existing folder"),
        ((notes, patch, out), {"rate": 7}, InputError, "rate 7: 8000 to 192000 Hz"),
        ((notes, patch, out), {"tail": -1.0}, InputError, "tail -1"),
        ((notes, patch, out), {"channel": 2}, InputError, "no notes on channel 2"),
        ((notes, text, out), {}, PatchError, "not a version 1 patch"),
        ((tmp_path / "none.mid", patch, out), {}, InputError, "no such file"),
        (
            (song((0, 300, 60, 100)), patch, out),
            {"rate": 48_000},
            InputError,
            "note 60 at 0.0 s lasts 300 s; at most 120 s",
        ),
    ]
    for arguments, options, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            render(*arguments, **options)
        assert "\n" not in str(caught.value)
    assert taken.read_bytes() == b"mine"
    assert not out.exists()


def test_a_render_without_gradients_leaves_later_ones_with_theirs():
    """Noise is kept between calls; a tensor made in inference mode would refuse to be saved for a gradient."""
    from sds_bridge.synths.catalog import make_synth

    for name in ("fm", "modal"):
        synth = make_synth(name)
        positions = synth.starting_positions(1, 0)
        options = {"note": 60, "velocity": 90, "seconds": 0.1234, "hold": 0.1, "rate": 24_000}
        with torch.inference_mode():
            first = synth.render(synth.values_at(positions), **options)
        leaf = positions["reverb.send" if name == "fm" else "reverb.level"].requires_grad_()
        again = synth.render(synth.values_at(positions), **options)
        assert torch.equal(first, again.detach())
        (slope,) = torch.autograd.grad(again.square().sum(), [leaf])
        assert slope.abs().sum() > 0


@pytest.mark.parametrize("name", ["fm", "modal", "dx7"])
def test_what_is_rendered_once_is_the_same_sound(name):
    """Velocities that share a render, lengths that do, and what is rung out of a voice and a room."""
    from sds_bridge.synths.catalog import make_synth

    synth = make_synth(name)
    values = synth.values_from(synth.patch_of(synth.varied_positions(3, 1), name="x", note=60, row=2))
    options = {"note": 50, "hold": 0.1, "rate": RATE}
    with torch.inference_mode():
        ring = min(synth.ringing_seconds(values), 8.0)
        shared = set()
        for velocity in (1, 40, 100, 101, 127):
            at, gain = synth.strike(values, velocity)
            shared.add(at)
            one = synth.dry(values, velocity=velocity, seconds=0.3, **options)
            assert torch.allclose(gain * synth.dry(values, velocity=at, seconds=0.3, **options), one, atol=1e-7)
        assert len(shared) < 5
        if not synth.holds:
            longer = synth.dry(values, velocity=90, seconds=0.3, **{**options, "hold": 0.3})
            assert torch.equal(longer, synth.dry(values, velocity=90, seconds=0.3, **options))
        sound = synth.dry(values, velocity=127, seconds=0.1 + ring + 1.0, **options)[0].abs()
        assert sound.max() > 0.01
        assert sound[round((0.1 + ring) * RATE) :].max() <= 10 ** (-85 / 20) * sound.max()
        seconds = synth.room_seconds(values)
        if seconds:
            room = synth.room(values, round((seconds + 1) * RATE), RATE, 1)[0].abs()
            assert room[:, round(seconds * RATE) :].max() <= 10 ** (-80 / 20) * room.max()
            dry = np.random.default_rng(0).normal(size=9_000).astype(np.float32)
            ir = synth.room(values, 2_000, RATE, 1)[0]
            whole = np.stack([np.convolve(dry.astype(np.float64), side.double()) for side in ir])
            np.testing.assert_allclose(task._convolved(dry, ir), whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("name", ["fm", "modal", "dx7"])
def test_notes_rendered_together_sound_as_alone(name):
    from sds_bridge.synths.catalog import make_synth

    synth = make_synth(name)
    values = synth.values_at(synth.varied_positions(1, 3))
    notes = [(40, 90, 0.2), (77.0, 127, 0.5), (60, 1, 0.31), (77.0, 30, 0.05)]
    with torch.inference_mode():
        together = synth.dry_notes(values, notes, seconds=0.7, rate=44_100)
        for sound, (note, velocity, hold) in zip(together, notes, strict=True):
            alone = synth.dry(values, note=note, velocity=velocity, seconds=0.7, hold=hold, rate=44_100)
            assert torch.equal(sound, alone[0])


def test_a_part_of_a_sound_is_that_part():
    from sds_bridge.synths.catalog import make_synth

    synth = make_synth("fm")
    values = synth.values_at(synth.varied_positions(1, 3))
    options = {"note": 57, "velocity": 90, "seconds": 0.7, "hold": 0.3, "rate": RATE, "seed": 3}
    with torch.inference_mode():
        whole = synth.dry(values, **options)
        for start, stop in ((0, 1), (1000, 3001), (7000, round(0.7 * RATE)), (500, 500)):
            part = synth.dry_part(values, (start, stop), **options)
            assert torch.allclose(part, whole[:, start:stop], atol=1e-6) and part.shape == (1, stop - start)


@pytest.mark.parametrize("name", ["fm", "modal", "dx7"])
def test_a_voice_does_not_depend_on_what_was_played_before(name):
    from sds_bridge.synths.catalog import make_synth

    synth = make_synth(name)
    values = synth.values_from(synth.patch_of(synth.varied_positions(1, 3), name="x", note=60))
    options = {"reference_note": 60, "ring": 0.3, "rate": RATE, "seed": 3}
    notes = [
        Note(0.0, seconds, 57, velocity, 1) for seconds in (0.3117, 1.7003, 0.9, 0.0501, 2.2) for velocity in (40, 90)
    ]
    alone = [voices.Voices(synth, values, **options).of(note) for note in notes]
    together = voices.Voices(synth, values, **options)
    for i, (note, (voice, gain)) in enumerate(zip(notes, alone, strict=True)):
        found, same = together.of(note, notes[i + 1 :])
        assert np.array_equal(found, voice) and same == gain


def test_no_more_is_kept_than_was_said(monkeypatch):
    from sds_bridge.synths.catalog import make_synth

    monkeypatch.setattr(voices, "CACHE_BYTES", 2**19)
    synth = make_synth("fm")
    values = synth.values_from(synth.patch_of(synth.varied_positions(1, 3), name="x", note=60))
    sung = voices.Voices(synth, values, reference_note=60, ring=0.3, rate=RATE, seed=3)
    for pitch in (50, 57, 50, 64):
        for seconds in (0.3, 0.8, 0.5):
            sung.of(Note(0.0, seconds, pitch, 90, 1))
            kept = sum(sound.nbytes for sound in sung._kept.values())
            assert kept == sung._bytes <= 2**19


@pytest.mark.parametrize("budget", [voices.CACHE_BYTES, 1])
def test_a_voice_joined_from_parts_is_the_whole_voice(budget, monkeypatch):
    """Long, short and longer notes of one key: each as if it were rendered alone."""
    from sds_bridge.synths.catalog import make_synth

    monkeypatch.setattr(voices, "CACHE_BYTES", budget)
    synth, ring = make_synth("fm"), 0.4
    values = synth.values_from(synth.patch_of(synth.varied_positions(3, 1), name="x", note=60, row=2))
    sung = voices.Voices(synth, values, reference_note=60, ring=ring, rate=RATE, seed=3)
    for seconds in (0.5, 0.1234, 0.00001, 0.9, 0.5 + 1 / RATE, 0.25):
        voice, gain = sung.of(Note(0.0, seconds, 57, 90, 1))
        hold = round(seconds * 10_000) / 10_000
        with torch.inference_mode():
            options = {"velocity": 90, "seconds": voices.SHARED_NOISE / RATE, "hold": hold, "rate": RATE}
            whole = synth.dry(values, note=57, seed=3, **options)[0].numpy()
        kept = len(voice) - round(voices.FADE_SECONDS * RATE)
        assert 0 < kept <= round((hold + ring) * RATE)
        np.testing.assert_allclose(gain * voice[:kept], whole[:kept], atol=1e-6)
