"""A patch as a Vital preset: its sound at the tuned note in the sample oscillator, its loudness and release fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sds_bridge.audio import to_decibel
from sds_bridge.evaluation.metrics import spectrogram_correlation
from sds_bridge.formats import carried, catalog, vital
from sds_bridge.formats.vital import RATE, Fade
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth

LONGEST = 8.0
INAUDIBLE = 10 ** (-80 / 20)
HEADROOM = 0.99
VELOCITIES = (30, 60, 90, 127)
HOLD, AFTER = 1.0, 1.5
FADES = [Fade(float(seconds), power) for power in (4.0, 7.0, 12.0) for seconds in np.geomspace(0.01, 30.0, 25)]


def export(patch: Patch, out: Path, force: bool = False) -> list[str]:
    """Write ``out``; says what a sample can't hold. ``force`` is for formats with more than one file."""
    synth = make_synth(patch.synth, patch.settings)
    values = synth.values_from(patch)

    def render(**options: Any) -> np.ndarray:
        with torch.inference_mode():
            given = {"note": patch.note, "velocity": 127, "rate": RATE, "reference_note": patch.note, **options}
            return synth.render(values, **given)[0].double().numpy()

    sound = render(seconds=LONGEST, hold=LONGEST)
    level = np.abs(sound).max(0)
    peak = float(level.max())
    audible = np.flatnonzero(level > INAUDIBLE * peak)
    sound = sound[:, : audible[-1] + 1 if len(audible) else 1]
    scale = HEADROOM / peak if peak > 0 else 1.0
    levels = [float(np.sqrt(np.mean(render(seconds=0.5, hold=0.5, velocity=v) ** 2))) for v in VELOCITIES]
    fade = fit_fade(render(seconds=HOLD + AFTER, hold=HOLD + AFTER), render(seconds=HOLD + AFTER, hold=HOLD))
    level = min(1.0, 1 / scale)
    options: dict[str, Any] = {"level": level, "velocity": fit_velocity(levels), "fade": fade}
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
    if level * scale < 0.99:
        report.append(f"the level is {to_decibel(level * scale):.1f} dB lower, so that the sample doesn't clip")
    return report


def fit_velocity(levels: list[float]) -> float:
    """The a of 1 − a + a · v² (v = velocity/127) nearest to the amplitudes at ``VELOCITIES``, the last one made 1."""
    if not levels[-1]:
        return 0.0
    missing = 1 - np.array(levels) / levels[-1]
    law = 1 - (np.array(VELOCITIES) / 127) ** 2
    return float(np.clip(missing @ law / (law @ law), 0, 1))


def fit_fade(held: np.ndarray, released: np.ndarray) -> Fade:
    """The fade that makes a held sound most like the released one, by correlation of spectrograms; ``[2, T]`` each."""
    if not held.any() or np.allclose(held, released):
        return Fade(vital.LONGEST_RELEASE, 7.0)
    time = np.arange(held.shape[1]) / RATE - HOLD
    ours = released.mean(0)
    return max(FADES, key=lambda fade: spectrogram_correlation(ours, held.mean(0) * fade.gain(time)))
