"""Audio in and out: what is refused, what is kept exactly."""

import numpy as np
import pytest
import soundfile

from sds_bridge import audio, files
from sds_bridge.errors import InputError

RNG = np.random.default_rng(0)
STEREO = RNG.uniform(-0.9, 0.9, (2, 1000)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_float_round_trip_is_exact(tmp_path, rate, channels):
    samples = RNG.uniform(-2, 2, (channels, 777)).astype(np.float32)
    clip = audio.load(audio.save(tmp_path / "clip.wav", samples, rate))
    np.testing.assert_array_equal(clip.samples, samples)
    assert (clip.rate, clip.subtype, clip.samples.dtype) == (rate, "FLOAT", np.float32)
    assert clip.samples.flags.c_contiguous
    assert clip.seconds == 777 / rate


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 15), ("PCM_24", 23)])
def test_integer_round_trip_is_within_one_step(tmp_path, subtype, bits):
    clip = audio.load(audio.save(tmp_path / "clip.wav", STEREO, 44_100, subtype))
    assert clip.subtype == subtype
    assert np.abs(clip.samples - STEREO).max() <= 2.0**-bits


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 15), ("PCM_24", 23)])
def test_integers_are_the_nearest_ones(tmp_path, subtype, bits):
    long = RNG.uniform(-0.999, 0.999, (2, 3 * audio.AT_ONCE // 2)).astype(np.float32)
    long[0, :3] = 1, -1, 0
    stored = audio.load(audio.save(tmp_path / "clip.wav", long, 44_100, subtype)).samples
    steps = (stored.astype(np.float64) - long) * 2**bits
    assert steps[0, :3].tolist() == [-1, 0, 0]  # there is no integer for 1
    assert np.abs(steps.ravel()[1:]).max() <= 0.5 and abs(steps.mean()) < 0.01
    again = audio.load(audio.save(tmp_path / "again.wav", stored, 44_100, subtype)).samples
    np.testing.assert_array_equal(again, stored)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_peak_that_was_said_too_low_is_the_loudest_integer(tmp_path, subtype):
    samples = np.array([[1.5, -1.5, 0.0]], np.float32)
    stored = audio.load(audio.save(tmp_path / "clip.wav", samples, 44_100, subtype, loudest=1.0)).samples
    np.testing.assert_allclose(stored, [[1.0, -1.0, 0.0]], atol=1e-4)


def test_what_is_no_number_becomes_float(tmp_path):
    path = audio.save(tmp_path / "clip.wav", np.full((1, 9), np.nan), 44_100, "PCM_24")
    assert soundfile.info(path).subtype == "FLOAT"


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
def test_what_would_clip_becomes_float(tmp_path, subtype):
    loud = 2 * STEREO
    clip = audio.load(audio.save(tmp_path / "clip.wav", loud, 44_100, subtype))
    assert clip.subtype == "FLOAT"
    np.testing.assert_array_equal(clip.samples, loud)


def test_a_subtype_that_wav_cannot_hold_becomes_float(tmp_path):
    assert audio.load(audio.save(tmp_path / "clip.wav", STEREO, 44_100, "VORBIS")).subtype == "FLOAT"


def test_mono_may_be_given_without_channels(tmp_path):
    assert audio.load(audio.save(tmp_path / "clip.wav", STEREO[0], 44_100)).samples.shape == (1, 1000)


@pytest.mark.parametrize("name", ["clip.flac", "clip.ogg", "clip.aiff"])
def test_other_containers(tmp_path, name):
    soundfile.write(tmp_path / name, STEREO.T, 44_100)
    clip = audio.load(tmp_path / name)
    assert (clip.rate, clip.samples.shape) == (44_100, (2, 1000))


def test_writing_leaves_only_the_file_and_replaces_the_old_one(tmp_path):
    audio.save(tmp_path / "clip.wav", STEREO, 44_100)
    audio.save(tmp_path / "clip.wav", STEREO[:, :10], 44_100)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.wav"]
    assert audio.load(tmp_path / "clip.wav").samples.shape == (2, 10)


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    audio.save(tmp_path / "clip.wav", STEREO, 44_100)
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        audio.save(tmp_path / "clip.wav", STEREO[:, :10], 44_100)
    assert audio.load(tmp_path / "clip.wav").samples.shape == (2, 1000)


def with_values(*bad):
    samples = STEREO.copy()
    samples[0, 3 : 3 + len(bad)] = bad
    return samples


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "no such file"),
        (lambda path: path.write_bytes(b""), "not a readable audio file"),
        (lambda path: path.write_text("a text, named .wav\nwith two lines\n"), "not a readable audio file"),
        (lambda path: path.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt "), "not a readable audio file"),
        (lambda path: soundfile.write(path, np.zeros((0, 2)), 44_100), "holds 0 samples"),
        (lambda path: audio.save(path, with_values(np.nan), 44_100), "1 samples are NaN or infinite"),
        (lambda path: audio.save(path, with_values(np.inf, -np.inf), 44_100), "2 samples are NaN or infinite"),
        (
            lambda path: soundfile.write(path, np.zeros(8_000 * 600), 8_000, "PCM_U8"),
            "600 s long; clips shorter than 600 s",
        ),
    ],
    ids=["missing", "folder", "empty", "text", "header", "0-samples", "nan", "infinite", "601-s"],
)
def test_bad_files_are_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "clip.wav"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        audio.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_longest_is_the_callers_to_set(tmp_path):
    path = audio.save(tmp_path / "clip.wav", np.zeros((1, 16_000)), 8_000)
    assert audio.load(path, longest_seconds=2.1).seconds == 2.0
    with pytest.raises(InputError, match="2 s long; clips shorter than 2 s"):
        audio.load(path, longest_seconds=2.0)


def tone(hz, rate, seconds=1.0):
    return np.sin(2 * np.pi * hz / rate * np.arange(round(seconds * rate)))[None].astype(np.float32)


@pytest.mark.parametrize("to_rate", [24_000, 32_000, 48_000, 96_000])
def test_resampling_keeps_a_tone_and_its_length(to_rate):
    found = audio.resample(tone(997, 44_100), 44_100, to_rate)
    assert found.shape == (1, to_rate)
    assert found.dtype == np.float32
    inside = slice(to_rate // 10, -to_rate // 10)
    np.testing.assert_allclose(found[0, inside], tone(997, to_rate)[0, inside], atol=2e-4)


def test_resampling_down_kills_what_would_alias():
    found = audio.resample(tone(20_000, 48_000), 48_000, 24_000)
    assert np.abs(found[0, 1_000:-1_000]).max() < 1e-4


def test_resampling_to_the_same_rate_is_the_same_array():
    assert audio.resample(STEREO, 44_100, 44_100) is STEREO


def test_fit_length():
    np.testing.assert_array_equal(audio.fit_length(STEREO, 10), STEREO[:, :10])
    padded = audio.fit_length(STEREO, 1500)
    np.testing.assert_array_equal(padded[:, :1000], STEREO)
    assert padded.shape == (2, 1500)
    assert not padded[:, 1000:].any()


@pytest.mark.parametrize(("amplitude", "decibel"), [(1.0, 0.0), (0.1, -20.0), (2.0, 6.0206), (0.0, -240.0)])
def test_decibel(amplitude, decibel):
    assert audio.to_decibel(amplitude) == pytest.approx(decibel, abs=1e-4)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
def test_the_same_samples_are_the_same_bytes_at_any_time(tmp_path, subtype):
    import time

    samples = np.linspace(-0.5, 0.5, 2000, dtype=np.float32).reshape(2, 1000)
    first = audio.save(tmp_path / "a.wav", samples, 44100, subtype).read_bytes()
    time.sleep(1.1)
    assert audio.save(tmp_path / "b.wav", samples, 44100, subtype).read_bytes() == first
    assert np.allclose(audio.load(tmp_path / "b.wav").samples, samples, atol=1e-4)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("length", [0, 7, audio.LONGEST_NOTE])
def test_a_note_is_kept_and_changes_no_sample_and_no_date(tmp_path, subtype, length, monkeypatch):
    note = ("PEAK " * 1000)[:length]
    written = []
    for name in ("a.wav", "b.wav"):
        path = audio.save(tmp_path / name, STEREO, 44_100, subtype, note)
        written.append(path.read_bytes())
        with soundfile.SoundFile(path) as file:
            assert file.comment == note
        if subtype == "FLOAT":
            np.testing.assert_array_equal(audio.load(path).samples, STEREO)
            at = written[-1].rfind(b"PEAK", 0, len(note) + 300)
            assert at > 0 and written[-1][at + 12 : at + 16] == bytes(4)
    assert written[0] == written[1]
