"""A patch as an SFZ instrument: its notes rendered over keys and velocities, sustained ones with a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from sds_bridge.errors import InputError
from sds_bridge.formats import carried, sfz
from sds_bridge.patch import Patch, write_text
from sds_bridge.synths.base import Synth, Values
from sds_bridge.synths.catalog import make_synth

RATE = 44_100
KEYS = list(range(24, 97, 4))
VELOCITIES = (48, 88, 127)
LONGEST = 6.0
LOOP_FROM, LOOP_TO, BLEND = 1.5, 3.5, 0.05
SUSTAINS = 10 ** (-40 / 20)
INAUDIBLE = 10 ** (-80 / 20)


def find_loop(sound: np.ndarray) -> tuple[int, int]:
    """First and last frame of the loop in ``[2, T]``: the start whose surroundings are most like those of the end."""
    end, width = round(LOOP_TO * RATE), round(BLEND * RATE)
    mono = sound.mean(0)
    pattern = mono[end - width : end]
    searched = mono[round(LOOP_FROM * RATE) - width : round((LOOP_TO - 0.5) * RATE)]
    size = 1 << (len(searched) + width).bit_length()
    product = np.fft.rfft(searched, size) * np.conj(np.fft.rfft(pattern, size))
    correlation = np.fft.irfft(product, size)[: len(searched) - width]
    energy = np.convolve(searched**2, np.ones(width), "valid")[: len(correlation)]
    best = int(np.argmax(correlation / np.sqrt(energy + 1e-12)))
    return round(LOOP_FROM * RATE) + best, end - 1


def blend(sound: np.ndarray, loop: tuple[int, int]) -> np.ndarray:
    """The sound up to the loop's end, faded there into what comes before the loop's start, so that the jump is smooth."""
    start, end = loop[0], loop[1] + 1
    width = min(round(BLEND * RATE), start)
    made = sound[:, :end].copy()
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    made[:, end - width :] = made[:, end - width :] * (1 - ramp) + sound[:, start - width : start] * ramp
    return made


def release_seconds(synth: Synth, values: Values, note: int) -> float:
    """``ampeg_release`` that fades as the patch does after its key goes up: sfizz falls 78 dB (e⁻⁹) in that time.

    Measured over the first 30 dB of a note let go after half a second, against the same note held.
    """
    hold, seconds = 0.5, 4.0
    sounds = []
    for held in (hold, seconds):
        with torch.inference_mode():
            sound = synth.render(
                values, note=note, velocity=100, seconds=seconds, hold=held, rate=RATE, reference_note=note
            )
            sounds.append(sound[0].float().numpy())
    frame = RATE // 100
    power = [np.square(s).sum(0)[: len(s[0]) // frame * frame].reshape(-1, frame).sum(1) for s in sounds]
    fall = np.sqrt(power[0] / (power[1] + 1e-12) + 1e-12)[round(hold * 100) :]
    below = np.flatnonzero(fall < 10 ** (-30 / 20))
    if not len(below):
        return 20.0
    return float(np.clip((below[0] + 0.5) / 100 * 78.17 / 30, 0.01, 20.0))


def export(patch: Patch, out: Path, force: bool = False) -> list[str]:
    """Write ``out`` (.sfz) and a folder of FLAC samples beside it; says what an SFZ can't hold.

    Raises:
        InputError: not a .sfz name, or the sample folder is there already.
    """
    if out.suffix.lower() != ".sfz":
        raise InputError(f"{out}: an SFZ instrument's name ends in .sfz. Give such a name.")
    folder = out.with_name(f"{out.stem}-samples")
    if folder.exists() and not force:
        raise InputError(f"{folder}: exists already. Give another name, or --force to write into it.")
    folder.mkdir(parents=True, exist_ok=True)
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)
    release = release_seconds(synth, values, patch.note)
    regions, looped, loudest = [], 0, 0.0
    sounds: dict[tuple[int, int], tuple[np.ndarray, tuple[int, int] | None]] = {}
    keys_at = sorted({*KEYS, patch.note})
    for key in keys_at:
        for velocity in VELOCITIES:
            with torch.inference_mode():
                stereo = synth.render(
                    values,
                    note=key,
                    velocity=velocity,
                    seconds=LONGEST,
                    hold=LONGEST,
                    rate=RATE,
                    reference_note=patch.note,
                )[0]
            sound = stereo.float().numpy()
            level = np.abs(sound).max(0)
            peak = float(level.max(initial=0.0))
            loop = None
            if peak > 0 and level[round(LOOP_TO * RATE) :].max() > SUSTAINS * peak:
                loop = find_loop(sound)
                sound, looped = blend(sound, loop), looped + 1
            else:
                audible = np.flatnonzero(level > INAUDIBLE * peak)
                sound = sound[:, : audible[-1] + 1 if len(audible) else 1]
            loudest = max(loudest, peak)
            sounds[key, velocity] = (sound, loop)
    gain = min(1.0, 0.99 / loudest) if loudest > 0 else 1.0
    for key, keys in zip(keys_at, sfz.spans(keys_at, 0, 127), strict=True):
        for velocity, velocities in zip(VELOCITIES, sfz.spans(list(VELOCITIES), 1, 127), strict=True):
            sound, loop = sounds[key, velocity]
            name = f"{key:03d}-{velocity:03d}.flac"
            soundfile.write(folder / name, (sound * gain).T, RATE, "PCM_24", format="FLAC")
            regions.append(sfz.Region(f"{folder.name}/{name}", key, keys, velocities, loop))
    write_text(out, carried.into_sfz(sfz.text(regions, patch.name, release), patch))
    report = [
        f"{len(regions)} samples: keys {KEYS[0]} to {KEYS[-1]} every {KEYS[1] - KEYS[0]} semitones and the tuned note "
        f"at velocities {', '.join(map(str, VELOCITIES))}; between them samples are shifted in pitch",
        "the release is one fade of the slowest part; the synth's own parameters can't be changed any more",
    ]
    if looped:
        report.append(f"{looped} samples loop from about {LOOP_FROM:g} s on: slow changes after that are frozen")
    if gain < 1:
        report.append(f"the level is {20 * np.log10(gain):.1f} dB lower, so that no sample clips")
    return report
