"""A patch as a Vital preset: its sound at the tuned note in the sample oscillator, its loudness and release fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sds_bridge.audio import to_decibel
from sds_bridge.formats import carried, catalog, vital
from sds_bridge.formats.vital import RATE, Fade
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.fade import best_fade
from sds_bridge.tasks.stage import VELOCITY
from sds_bridge.tasks.voices import faded

LONGEST = 8.0
INAUDIBLE = 10 ** (-80 / 20)
HEADROOM = 0.99
# samples after the sound, for Vital holds the last ones that it interpolates between
SILENCE = 16
VELOCITIES = (30, 60, VELOCITY, 127)
POWERS, SECONDS = (1.0, 2.0, 4.0, 7.0, 12.0), np.geomspace(0.01, 30.0, 25)
FADES = [*(Fade(float(s), power) for power in POWERS for s in SECONDS), Fade(vital.LONGEST_RELEASE, 7.0)]


def export(patch: Patch, out: Path, force: bool = False) -> list[str]:
    """Write ``out``; says what a sample can't hold. ``force`` is for formats with more than one file."""
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)

    def render(**options: Any) -> np.ndarray:
        with torch.inference_mode():
            given = {"note": patch.note, "velocity": VELOCITY, "rate": RATE, "reference_note": patch.note, **options}
            return synth.render(values, **given)[0].double().numpy()

    sound = render(seconds=LONGEST, hold=LONGEST)
    level = np.abs(sound).max(0)
    peak = float(level.max())
    audible = np.flatnonzero(level > INAUDIBLE * peak)
    sound = faded(sound[:, : audible[-1] + 1 if len(audible) else 1], RATE)
    sound = np.pad(sound, [(0, 0), (0, SILENCE)])
    scale = HEADROOM / peak if peak > 0 else 1.0
    levels = [float(np.sqrt(np.mean(render(seconds=0.5, hold=0.5, velocity=v) ** 2))) for v in VELOCITIES]
    fade = best_fade(synth, values, patch.note, FADES)
    velocity = fit_velocity(levels)
    wanted = 1 / scale / vital.velocity_gain(VELOCITY, velocity)
    level = min(1.0, wanted)
    options: dict[str, Any] = {"level": level, "velocity": velocity, "fade": fade}
    text = vital.text(sound * scale, name=patch.name, note=patch.note, **options)
    catalog.save(carried.into_vital(text, patch).encode("utf-8"), out)
    seconds = sound.shape[1] / RATE
    report = [
        f"one sample of {seconds:.1f} s at MIDI note {patch.note}: other keys play it faster or slower, envelopes included",
        "the synth's own parameters can't be changed any more; noise and room are as recorded",
        f"the release is one fade of {fade.seconds:.2g} s for all parts; key velocity moves the level, not the colour",
    ]
    if seconds > LONGEST - 0.1:
        report.append(f"a held note ends after {LONGEST:g} s at MIDI note {patch.note}, sooner above it")
    if level < 0.99 * wanted:
        report.append(f"the level is {to_decibel(wanted / level):.1f} dB lower: Vital has no louder one")
    return report


def fit_velocity(levels: list[float]) -> float:
    """The amount whose :func:`vital.velocity_gain` is nearest to the amplitudes at ``VELOCITIES``, and right at ``VELOCITY``.

    With r(v) the root of an amplitude over that at ``VELOCITY`` w: (1 − a(1 − v)) / (1 − a(1 − w)) = r, in which a is
    linear: a · ((1 − v) − r(1 − w)) = 1 − r.
    """
    there = levels[VELOCITIES.index(VELOCITY)]
    if not there:
        return 0.0
    root = np.sqrt(np.array(levels) / there)
    slope = (1 - np.array(VELOCITIES) / 127) - root * (1 - VELOCITY / 127)
    return float(np.clip((1 - root) @ slope / (slope @ slope), 0, 1))
