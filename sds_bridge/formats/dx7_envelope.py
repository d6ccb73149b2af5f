"""Our envelopes as the DX7's: amplitude over time, and pitch over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7_sysex import Four
from sds_bridge.formats.fm_shape import SIXTY_DB, Shape

FLOOR_DB = -60.0
STEPS = np.arange(64)
_FALLS = np.array([laws.fall_rate(int(q)) for q in STEPS])
# levels that differ, below 99, from loud to soft
_LEVELS = [level for level in range(97, 0, -1) if laws.scaled_level(level) >> 1 != laws.scaled_level(level + 1) >> 1]


@dataclass(frozen=True)
class Fit:
    """A DX7 envelope and how far it is from ours.

    ``decay_db`` is the mean distance while held, down to −60 dB; ``release_ratio`` is release time over ours.
    """

    rates: Four
    levels: Four
    decay_db: float
    release_ratio: float


def fit_envelope(shape: Shape, output_level: int) -> Fit:
    """Rates and levels for an operator at an output level, which the length of a DX7 attack depends on."""
    attack = _fit_attack(shape.attack, output_level)
    release = int(np.argmin(np.abs(np.log(_FALLS * shape.release / 60))))
    ratio = 60 / (_FALLS[release] * shape.release)
    (second, third), (middle, last), error = _fit_decay(shape.decay, shape.sustain)
    rates = (attack, laws.rate_of(second), laws.rate_of(third), laws.rate_of(release))
    return Fit(rates, (99, middle, last, 0), error, float(ratio))


def _fit_attack(attack: float, output_level: int) -> int:
    """The rate whose rise has the least squared distance to the line."""
    time = np.linspace(0.0, 2 * attack, 201)
    line = np.minimum(time / attack, 1.0)
    errors = [float(np.mean((laws.rise(int(q), output_level, time) - line) ** 2)) for q in STEPS]
    return laws.rate_of(int(np.argmin(errors)))


def _fit_decay(decay: float, sustain: float) -> tuple[tuple[int, int], tuple[int, int], float]:
    """Two straight lines in dB for our curve: speeds of R2 and R3, levels L2 and L3, mean distance in dB."""
    last = _nearest_level(sustain)
    end_db = laws.envelope_db(last) if last else -100.0
    if last == 99:
        return (63, 63), (99, 99), abs(20 * math.log10(max(sustain, 1e-6)))
    settled = (max(1.12 * sustain, 1e-3) - sustain) / (1 - sustain)
    span = 1.2 * decay * max(-math.log(settled) / SIXTY_DB, 0.1) if settled < 1 else 0.1 * decay
    time = np.linspace(0.0, span, 161)
    ours = np.maximum(20 * np.log10(sustain + (1 - sustain) * np.exp(-SIXTY_DB * time / decay) + 1e-9), FLOOR_DB)
    best = ((63, 63), (99, 99), math.inf)
    for middle in [level for level in _LEVELS if level >= last]:
        middle_db = laws.envelope_db(middle)
        left = 10 ** (middle_db / 20) - sustain
        reach = -decay / SIXTY_DB * math.log(left / (1 - sustain)) if left > 0 else span
        ideal = np.argsort(np.abs(np.log(_FALLS * max(reach, 1e-6) / -middle_db)), kind="stable")[:3]
        for second in ideal:
            first_line = -_FALLS[second] * time
            turn = -middle_db / _FALLS[second]
            second_line = np.maximum(middle_db - _FALLS[:, None] * (time - turn), end_db)
            lines = np.maximum(np.where(time < turn, first_line, second_line), FLOOR_DB)
            errors = np.mean(np.abs(lines - ours), axis=1)
            third = int(np.argmin(errors))
            if errors[third] < best[2] - 1e-9:
                best = ((int(second), third), (middle, last), float(errors[third]))
    return best


def _nearest_level(sustain: float) -> int:
    """The level 0…99 nearest in dB; 0 below −60 dB."""
    if sustain < 1e-3:
        return 0
    wanted = 20 * math.log10(sustain)
    return min([99, *_LEVELS], key=lambda level: abs((0.0 if level == 99 else laws.envelope_db(level)) - wanted))


def _pitch_level(units: float) -> int:
    return min(range(100), key=lambda level: abs(laws.PITCH_LEVELS[level] - units))


@dataclass(frozen=True)
class PitchFit:
    """A DX7 pitch envelope; ``start`` is its first shift in semitones, ``error`` the rms distance over the sweep."""

    rates: Four
    levels: Four
    start: float
    error: float


STILL = PitchFit((99, 99, 99, 99), (50, 50, 50, 50), 0.0, 0.0)


def fit_sweep(semitones: float, decay: float) -> PitchFit:
    """Two straight lines in pitch for semitones · e^(−t/decay), decay in seconds.

    The DX7 moves at 12 octaves a second at most, so a short sweep starts nearer to the note. After the key is up
    it must head back to where it started: R4 = 0 makes that 0.56 semitones a second, its slowest.
    """
    sign = 1 if semitones >= 0 else -1
    height = abs(semitones) * laws.PITCH_UNITS_PER_OCTAVE / 12
    if height < 0.5:
        return STILL
    speeds = np.array(laws.PITCH_RATES) / laws.PITCH_RATE_DIVISOR * laws.PITCH_UNITS_PER_OCTAVE
    time = (6 * decay + 0.3) * np.linspace(0.0, 1.0, 241) ** 2
    width = np.gradient(time)
    ours = height * np.exp(-time / decay)
    best, found = math.inf, (50, 50, 99, 99)
    for level in range(51, 100) if sign > 0 else range(49, -1, -1):
        start = abs(laws.PITCH_LEVELS[level])
        if start > 1.2 * height + 1:
            continue
        for part in (0.15, 0.3, 0.45, 0.6):
            middle = _pitch_level(sign * part * start)
            knee = abs(laws.PITCH_LEVELS[middle])
            reach = max(decay * math.log(height / max(knee, 0.3)), 1e-3) if knee < height else 1e-3
            first = int(np.argmin(np.abs(np.log(speeds * reach / max(start - knee, 0.3)))))
            turn = (start - knee) / speeds[first]
            tails = np.maximum(knee - speeds[:, None] * (time - turn), 0.0)
            lines = np.where(time < turn, start - speeds[first] * time, tails)
            errors = ((lines - ours) ** 2 * width).sum(axis=1)
            second = int(np.argmin(errors))
            if errors[second] < best - 1e-9:
                best, found = float(errors[second]), (level, middle, first, second)
    level, middle, first, second = found
    reached = laws.PITCH_LEVELS[level] * 12 / laws.PITCH_UNITS_PER_OCTAVE
    rms = math.sqrt(best / float(time[-1])) * 12 / laws.PITCH_UNITS_PER_OCTAVE
    return PitchFit((first, second, 99, 0), (middle, 50, 50, level), reached, rms)
