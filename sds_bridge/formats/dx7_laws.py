"""What the DX7's numbers mean in radians, decibels, seconds and cents.

Each law was measured by rendering with Dexed (dexed-py 0.3.0, 44.1 kHz) and agrees with its engine, msfa:

- output level: 0.7526 dB (1/8 octave of amplitude) a step from 20 to 99; at 99 a modulator moves its carrier by
  4π rad (12.561 measured, 12.566 by law; 2.419 and 2.422 at level 80, 0.430 and 0.428 at level 60);
- envelope level: 1.505 dB for two steps, so only every other level differs;
- envelope fall: straight in dB, 0.2533 · (1 + q mod 4 / 4) · 2^(q div 4) dB/s with q = ⌊41·rate/64⌋
  (12.10 dB/s measured at rate 35, 12.16 by law; 327 and 324 at rate 65);
- envelope rise: jumps to −50 dB below full scale, then in octaves of amplitude at the same rate times the whole
  octaves left below 2^17, so it slows towards the top (0.170 s measured at rate 50, 0.171 by law);
- feedback: 2π · 2^(feedback − 7) rad at output level 99, on the mean of the last two samples (1.552 measured
  at 5, 1.571 by law); algorithm 32 has a quarter of it in Dexed;
- detune: 1.196 cents a step at middle C, 1.98 at C2, 0.50 at C7; it follows the note, not the ratio;
- pitch envelope: levels in 1/32 octaves as tabled, rates tabled / 21.3 octaves a second (12 at most);
- key velocity: within 0.4 dB of nothing at velocity 100, −10.5 dB at 64 for sensitivity 7.

Reference: music-synthesizer-for-android (msfa), env.cc, pitchenv.cc, dx7note.cc.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sds_bridge.synths import dx7_tables as tables

Array = NDArray[np.float64]

STEP_DB = 20 * math.log10(2) / 8
FULL_INDEX = 4 * math.pi
OCTAVE_DB = 20 * math.log10(2)
SLOWEST_DB_PER_SECOND = OCTAVE_DB * 1024 / 2**24 * 44100 / 64
JUMP_OCTAVE = 1716 / 256
TOP_OCTAVE = 15.0
PITCH_UNITS_PER_OCTAVE = 32
PITCH_RATE_DIVISOR = 21.3
PITCH_LEVELS = tuple(int(x) for x in tables.PITCH_LEVEL)
PITCH_RATES = tuple(int(x) for x in tables.PITCH_RATE)


def scaled_level(level: int) -> int:
    """The engine's 0…127 for a panel level 0…99."""
    return int(tables.LEVEL[level])


def amplitude(output_level: int) -> float:
    """Amplitude of an operator, 1 at output level 99."""
    return 0.0 if output_level == 0 else float(2 ** ((scaled_level(output_level) - 127) / 8))


def output_level(wanted: float) -> int:
    """The output level 0…99 whose amplitude is nearest in dB; 0 for nothing."""
    if wanted <= 0:
        return 0
    return min(range(1, 100), key=lambda level: (abs(math.log(amplitude(level) / wanted)), level))


def envelope_db(level: int) -> float:
    """dB of an envelope level below 99."""
    return ((scaled_level(level) >> 1) - 63) * OCTAVE_DB / 4


def step_of(rate: int) -> int:
    """The engine's 64 speeds for a panel rate 0…99."""
    return rate * 41 >> 6


def rate_of(step: int) -> int:
    """The lowest panel rate with this speed."""
    return -(-step * 64 // 41)


def fall_rate(step: int) -> float:
    """dB a second of a falling envelope."""
    return float(SLOWEST_DB_PER_SECOND * (1 + (step & 3) / 4) * 2 ** (step >> 2))


def rise(step: int, output: int, time: Array) -> Array:
    """Amplitude over its target, 0…1, of an envelope that rises to level 99 at the given output level."""
    target = TOP_OCTAVE + (scaled_level(output) - 127) / 8
    octaves_per_second = fall_rate(step) / OCTAVE_DB
    times, octaves = [0.0], [min(JUMP_OCTAVE, target)]
    while octaves[-1] < target:
        slope = 16 - math.floor(octaves[-1])
        top = min(math.floor(octaves[-1]) + 1.0, target)
        times.append(times[-1] + (top - octaves[-1]) / (slope * octaves_per_second))
        octaves.append(top)
    found: Array = 2.0 ** (np.interp(time, times, octaves) - target)
    return found


def detune_cents(note: float) -> float:
    """Cents of one detune step at a MIDI note (after transposing)."""
    octave = math.log2(440.0) + (note - 69) / 12
    return 1200 * 0.0209 / 7 * math.exp(-0.396 * octave) * octave


def full_feedback(algorithm: int) -> float:
    """Feedback index in rad of an operator at output level 99 with feedback 7; algorithm as on the panel."""
    return math.pi / 2 if algorithm == 32 else 2 * math.pi


def velocity_db(velocity: int, sensitivity: int) -> float:
    """dB that key velocity adds to an operator's level."""
    return (sensitivity * (int(tables.VELOCITY[velocity >> 1]) - 239) + 7 >> 3) * OCTAVE_DB / 16
