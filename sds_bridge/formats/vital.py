"""A .vital preset (JSON) whose voice is one recorded sound in Vital's sample oscillator, tracking the keys.

Vital's oscillators have no modulation matrix of ours, so the sound is held as it is. What isn't named here is at
Vital's default. Laws, as measured with the engine: a time control is the fourth root of seconds; ``volume`` is
(80 + dB)²; ``velocity_track`` a makes (1 − a + a · v)² of a velocity v, 0…1; an amplitude is the square of its
envelope, whose release of power −k falls as (e^{k(1−x)} − 1)/(e^k − 1), x = 0…1 over its time. ``sample_level``, the
square root of an amplitude, stays at its default: the engine glides there over the first 150 ms from it.

Reference: Vital 1.5.5, src/common/load_save.cpp and synth_parameters.cpp (GPL-3.0).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import numpy as np

from sds_bridge.audio import to_decibel

VERSION = "1.5.5"
RATE = 44_100
ORIGINAL_KEY = 60  # where the sample oscillator plays as recorded
DIRECT_OUT = 4.0
SAMPLE_LEVEL = 0.70710678
MOST_VOLUME = 7399.4404
LONGEST_RELEASE = 32.0
FULL = 32767


@dataclass(frozen=True)
class Fade:
    """A release: seconds, and how much steeper than a line (0 < power ≤ 20)."""

    seconds: float
    power: float

    def gain(self, time: np.ndarray) -> np.ndarray:
        """Amplitude at seconds after the key went up."""
        left = 1 - np.clip(time / self.seconds, 0, 1)
        found: np.ndarray = np.square(np.expm1(self.power * left) / np.expm1(self.power))
        return found


def velocity_gain(velocity: float, amount: float) -> float:
    """Amplitude at a MIDI velocity over that at 127."""
    return (1 - amount + amount * velocity / 127) ** 2


def text(sound: np.ndarray, *, name: str, note: int, level: float, velocity: float, fade: Fade) -> str:
    """The file.

    Args:
        sound: ``[2, T]`` at ``RATE``, within −1…1, played as recorded at MIDI note ``note``.
        level: amplitude over the samples' own, 0…1, at velocity 127.
        velocity: how far key velocity lowers the level, 0…1, see :func:`velocity_gain`.
        fade: after the key went up.
    """
    coded = [base64.b64encode(np.round(channel * FULL).astype("<i2").tobytes()).decode("ascii") for channel in sound]
    sample = {"name": name, "length": sound.shape[1], "sample_rate": RATE, "samples": coded[0]}
    if not np.array_equal(sound[0], sound[1]):
        sample["samples_stereo"] = coded[1]
    settings = {
        "osc_1_on": 0.0,
        "volume": round(min(max(80 + to_decibel(level / SAMPLE_LEVEL**2), 0.0) ** 2, MOST_VOLUME), 4),
        "sample_on": 1.0,
        "sample_destination": DIRECT_OUT,
        "sample_keytrack": 1.0,
        "sample_level": SAMPLE_LEVEL,
        "sample_loop": 0.0,
        "sample_random_phase": 0.0,
        "sample_transpose": float(ORIGINAL_KEY - note),
        "env_1_attack": 0.0,
        "env_1_decay": 0.0,
        "env_1_sustain": 1.0,
        "env_1_release": round(min(fade.seconds, LONGEST_RELEASE) ** 0.25, 7),
        "env_1_release_power": -fade.power,
        "velocity_track": round(velocity, 7),
        "sample": sample,
    }
    preset = {
        "author": "SDS Bridge",
        "comments": f"tuned at MIDI note {note}",
        "preset_name": name,
        "preset_style": "",
        "settings": settings,
        "synth_version": VERSION,
    }
    return json.dumps(preset, indent=1, sort_keys=True) + "\n"
