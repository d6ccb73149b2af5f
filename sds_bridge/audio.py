"""Audio files and arrays: float32 ``[channels, samples]`` in −1…1; what goes in keeps its rate and length."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sds_bridge.errors import InputError
from sds_bridge.files import replacing

LONGEST_SECONDS = 600.0
# 600 s in stereo at 96 kHz: 461 MB as float32
MOST_SAMPLES = 115_200_000
# where libsndfile puts the chunks before the samples
HEADER_BYTES = 160
# frames that are interleaved within a processor's cache
AT_ONCE = 1 << 15
# float32 holds every integer of these
INTEGER_BITS = {"PCM_16": 16, "PCM_24": 24}
# libsndfile leaves a longer comment out
LONGEST_NOTE = 2000


@dataclass(frozen=True)
class Clip:
    """A decoded file. ``samples`` is float32 ``[channels, length]``; ``subtype`` is libsndfile's, as ``PCM_24``."""

    samples: np.ndarray
    rate: int
    subtype: str

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate


def check_header(path: str | Path, longest_seconds: float = LONGEST_SECONDS) -> None:
    """What a file's header tells without reading it; raises InputError as :func:`load`."""
    with _opened(Path(path), longest_seconds):
        pass


def load(path: str | Path, longest_seconds: float = LONGEST_SECONDS) -> Clip:
    """Read an audio file whole.

    Raises:
        InputError: missing, not audio, empty, not shorter than ``longest_seconds``, or with samples that aren't finite.
    """
    path = Path(path)
    with _opened(path, longest_seconds) as file:
        rate, subtype = file.samplerate, file.subtype
        samples = file.read(dtype="float32", always_2d=True).T
    if samples.shape[1] == 0:
        raise InputError(f"{path}: holds 0 samples. Give a clip with sound in it.")
    if not np.isfinite(samples).all():
        raise InputError(
            f"{path}: {np.count_nonzero(~np.isfinite(samples))} samples are NaN or infinite. Export the clip again."
        )
    return Clip(np.ascontiguousarray(samples), rate, subtype)


@contextmanager
def _opened(path: Path, longest_seconds: float) -> Iterator[soundfile.SoundFile]:
    if not path.is_file():
        raise InputError(f"{path}: no such file. Give the path of an audio file (WAV, AIFF, FLAC, Ogg, MP3).")
    try:
        with soundfile.SoundFile(path) as file:
            if len(file) >= longest_seconds * file.samplerate:
                raise InputError(
                    f"{path}: {len(file) / file.samplerate:.0f} s long; clips shorter than {longest_seconds:.0f} s are taken."
                    " Cut it and try again."
                )
            if len(file) * file.channels > MOST_SAMPLES:
                raise InputError(
                    f"{path}: {file.channels} channels of {len(file)} samples; at most {MOST_SAMPLES} samples in all are"
                    " taken. Export it with fewer channels or at a lower rate."
                )
            if len(file) == 0:
                raise InputError(f"{path}: holds 0 samples. Give a clip with sound in it.")
            yield file
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path}: not a readable audio file ({error.error_string}). Give WAV, AIFF, FLAC, Ogg or MP3."
        ) from None


def save(
    path: str | Path,
    samples: np.ndarray,
    rate: int,
    subtype: str = "FLOAT",
    note: str = "",
    loudest: float | None = None,
) -> Path:
    """Write ``[channels, length]`` (or ``[length]``) as WAV beside ``path``, then rename over it.

    Integer subtypes that WAV can't hold become ``FLOAT``, and so does any clip that would clip. ``note`` is ASCII for
    the file's INFO comment, at most ``LONGEST_NOTE`` long; ``loudest`` the samples' :func:`peak` where it is known.
    """
    path = Path(path)
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    if not soundfile.check_format("WAV", subtype) or (
        subtype.startswith("PCM") and not (peak(samples) if loudest is None else loudest) <= 1.0
    ):
        subtype = "FLOAT"
    bits = INTEGER_BITS.get(subtype)
    with replacing(path) as beside, _disk_errors(path):
        with soundfile.SoundFile(beside, "w", rate, len(samples), subtype, format="WAV") as file:
            if note:
                file.comment = note
            for start in range(0, samples.shape[1], AT_ONCE):
                frames = samples[:, start : start + AT_ONCE].T
                file.write(_integers(frames, bits) if bits else frames)
        _forget_time(beside, HEADER_BYTES + len(note.encode()))
    return path


def save_flac(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write ``[channels, length]`` in 24 bits; raises OSError as any write."""
    with _disk_errors(path):
        soundfile.write(path, samples.T, rate, "PCM_24", format="FLAC")


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """libsndfile's own errors as those of the disk that they come from."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise OSError(errno.EIO, f"can't be written ({error.error_string.strip().rstrip('.')})", str(path)) from None


def _integers(frames: np.ndarray, bits: int) -> np.ndarray:
    """The nearest integers, in the upper ``bits`` of int32 as libsndfile takes them; from floats it rounds down."""
    full = 2 ** (bits - 1)
    scaled = np.multiply(frames, np.float32(full), order="C")
    np.clip(np.rint(scaled, out=scaled), -full, full - 1, out=scaled)
    found = scaled.astype(np.int32)
    found <<= 32 - bits
    return found


def _forget_time(path: Path, header: int) -> None:
    """libsndfile dates the PEAK chunk of float files; without it the same samples are the same bytes.

    The chunk is its name, its size, a version and the time, uint32 each.
    """
    with path.open("r+b") as file:
        chunk = file.read(header).rfind(b"PEAK")
        if chunk >= 0:
            file.seek(chunk + 12)
            file.write(bytes(4))


def resample(samples: np.ndarray, rate: float, to_rate: float) -> np.ndarray:
    """``[channels, length]`` from ``rate`` to ``to_rate`` Hz (soxr, very high quality)."""
    if rate == to_rate:
        return samples
    return soxr.resample(samples.T, rate, to_rate, quality="VHQ").T.astype(np.float32)


def peak(samples: np.ndarray) -> float:
    """The largest absolute sample; 0 of none."""
    return max(float(samples.max(initial=0)), -float(samples.min(initial=0)))


def unclipped(samples: np.ndarray) -> np.ndarray:
    """Attenuated to a peak of 1 where it is above that; else as it is."""
    return samples / max(1.0, float(np.abs(samples).max(initial=0)))


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut or zero-pad the last axis to ``length``."""
    short = length - samples.shape[-1]
    if short <= 0:
        return samples[..., :length]
    return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, short)])


def to_decibel(amplitude: float) -> float:
    """20·log10, with silence at −240 dB."""
    return 20.0 * float(np.log10(max(amplitude, 1e-12)))
