"""What the numbers of a YM2151 (OPM) voice do, at the chip's usual clock of 3.579545 MHz.

An operator at full level moves another's phase by 8π rad; attenuation steps are 0.75 dB (TL) and 3 dB (D1L). An
envelope of effective rate r (0…63) falls by 96/1024 dB times (4 + r mod 4)/8 · 2^(⌊r/4⌋ − 11) at each of rate/3
ticks a second. Its attack is exponential: half amplitude is 40 such steps in, whatever the rate. Held against ymfm in
``tests/acceptance/test_opm_in_ymfm.py``.

Reference: Yamaha YM2151 application manual; A. Giles, ymfm, ymfm_fm.ipp and ymfm_opm.cpp.
"""

from __future__ import annotations

import math

import numpy as np

from sds_bridge.formats.fm_routing import Machine
from sds_bridge.formats.fm_shape import Array
from sds_bridge.synths.dx7_algorithms import Algorithm

CLOCK = 3_579_545
RATE = CLOCK / 64
TL_DB, D1L_DB = 0.75, 3.0
FULL_INDEX = 8 * math.pi
FULL_FEEDBACK = 4 * math.pi
HALF_ATTACK = 40.0  # steps
DT2_CENTS = (0.0, 600.0, 780.0, 950.0)
NOTE_CODES = (0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14)  # C# to C
LOWEST_NOTE = 13
CARRIER, CONVERTER_BITS = 8176, 9

# operators in the file's order M1, C1, M2, C2: whom each modulates
_TARGETS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((1,), (2,), (3,), ()),
    ((2,), (2,), (3,), ()),
    ((3,), (2,), (3,), ()),
    ((1,), (3,), (3,), ()),
    ((1,), (), (3,), ()),
    ((1, 2, 3), (), (), ()),
    ((1,), (), (), ()),
    ((), (), (), ()),
)
# a connection's number is one less than its algorithm's
CONNECTIONS = tuple(Algorithm(number, targets, (0, 0)) for number, targets in enumerate(_TARGETS, 1))
OPM = Machine(CONNECTIONS, FULL_INDEX, lambda number: FULL_FEEDBACK)


def key_code(note: int) -> int:
    """The chip's KC for a MIDI note; the lowest that it has for notes below 13."""
    octave, step = divmod(max(note, LOWEST_NOTE) - LOWEST_NOTE, 12)
    return min(octave, 7) << 4 | NOTE_CODES[step]


def effective_rate(rate: int, note: int, bits: int = 5) -> int:
    """0…63 for a voice's five-bit rate (four bits for RR) at a note, key scaling 0; 0 stands still."""
    if not rate:
        return 0
    return min(63, (2 * rate if bits == 5 else 4 * rate + 2) + (key_code(note) >> 5))


def steps_per_second(effective: int) -> float:
    """Envelope steps of an effective rate."""
    return RATE / 3 * (4 + effective % 4) / 8 * 2.0 ** (effective // 4 - 11) if effective else 0.0


def fall_rate(effective: int) -> float:
    """dB a second."""
    return 96 / 1024 * steps_per_second(effective)


def feedback_index(level: int) -> float:
    """Radians by which an operator at full level moves its own phase with FL 1…7."""
    return FULL_FEEDBACK * 2.0 ** (level - 7) if level else 0.0


def converted(sound: Array) -> Array:
    """A sound with its peak at one loud carrier's, as the chip's converter puts it out: nine bits and a sign under an
    exponent, cut and not rounded. Source: ymfm, ``roundtrip_fp``."""
    peak = float(np.abs(sound).max(initial=0.0))
    if not peak:
        return sound
    whole = np.round(sound * (CARRIER / peak)).astype(np.int64)
    bits = np.frexp(np.where(whole < 0, ~whole, whole).astype(np.float64))[1]
    shift = np.maximum(bits - CONVERTER_BITS, 0)
    return ((whole >> shift) << shift) * (peak / CARRIER)


def ratios() -> tuple[Array, list[tuple[int, int]]]:
    """Cents above the note of every MUL and DT2, and which they are."""
    choices = [(multiple, dt2) for dt2 in range(4) for multiple in range(16)]
    cents = [1200 * math.log2(multiple or 0.5) + DT2_CENTS[dt2] for multiple, dt2 in choices]
    return np.array(cents), choices
