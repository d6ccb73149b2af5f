"""A patch as an SFZ instrument: its notes rendered over keys and velocities, sustained ones with a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sds_bridge import audio
from sds_bridge.errors import InputError
from sds_bridge.formats import carried, sfz
from sds_bridge.patch import Patch, write_text
from sds_bridge.synths.base import Synth, Values
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.fade import best_fade
from sds_bridge.tasks.stage import VELOCITY

RATE = 44_100
KEYS = list(range(24, 97, 4))
# recorded where key velocity changes more than the level; the preview's is among them
VELOCITIES = (32, 64, VELOCITY, 127)
# where loudness is measured; between them it goes in a line
LOUDNESS_AT = (1, 16, 32, 48, 64, 80, 100, 113, 127)
LONGEST = 6.0
LOOP_FROM, LOOP_TO, BLEND = 1.5, 3.5, 0.05
SUSTAINS = 10 ** (-40 / 20)
INAUDIBLE = 10 ** (-80 / 20)
RELEASES = [sfz.Release(float(seconds)) for seconds in np.geomspace(0.01, 20.0, 40)]


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


def loudness_of(synth: Synth, values: Values, note: int) -> list[float]:
    """The amplitude (RMS of half a second) at each velocity of ``LOUDNESS_AT``."""
    found = []
    for velocity in LOUDNESS_AT:
        with torch.inference_mode():
            sound = synth.render(
                values, note=note, velocity=velocity, seconds=0.5, hold=0.5, rate=RATE, reference_note=note
            )
            found.append(float(sound.double().square().mean().sqrt()))
    return found


def gains_within(velocities: tuple[int, int], recorded: int, loudness: list[float]) -> dict[int, float]:
    """What the sample that was recorded at one velocity is to be multiplied by from the first of a range to the last."""
    at = sorted({*velocities, recorded, *(v for v in LOUDNESS_AT if velocities[0] <= v <= velocities[1])})
    there = float(np.interp(recorded, LOUDNESS_AT, loudness))
    return {v: float(np.interp(v, LOUDNESS_AT, loudness)) / there if there > 0 else 1.0 for v in at}


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
    release = best_fade(synth, values, patch.note, RELEASES)
    loudness = loudness_of(synth, values, patch.note)
    regions, looped, loudest = [], 0, 0.0
    sounds: dict[tuple[int, int], tuple[np.ndarray, tuple[int, int] | None]] = {}
    keys_at = sorted({*KEYS, patch.note})
    struck = VELOCITIES if len({synth.strike(values, v)[0] for v in VELOCITIES}) > 1 else (VELOCITY,)
    for key in keys_at:
        for velocity in struck:
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
        for velocity, velocities in zip(struck, sfz.spans(list(struck), 1, 127), strict=True):
            sound, loop = sounds[key, velocity]
            name = f"{key:03d}-{velocity:03d}.flac"
            audio.save_flac(folder / name, sound * gain, RATE)
            gains = gains_within(velocities, velocity, loudness)
            regions.append(sfz.Region(f"{folder.name}/{name}", key, keys, velocities, gains, loop))
    write_text(out, carried.into_sfz(sfz.text(regions, patch.name, release.seconds), patch))
    report = [
        f"{len(regions)} samples: keys {KEYS[0]} to {KEYS[-1]} every {KEYS[1] - KEYS[0]} semitones and the tuned note "
        f"at velocity {', '.join(map(str, struck))}; between them samples are shifted in pitch and level",
        "the release is one fade for all parts, in the colour of the held note; the synth's own parameters can't be changed any more",
    ]
    if looped:
        report.append(f"{looped} samples loop from about {LOOP_FROM:g} s on: slow changes after that are frozen")
    if gain < 1:
        report.append(f"the level is {20 * np.log10(gain):.1f} dB lower, so that no sample clips")
    return report
