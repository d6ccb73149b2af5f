"""The DX7's tables: how panel numbers become levels, rates, pitches and frequencies.

All units are the engine's: levels and logarithms of frequency have 2^24 to an octave (a doubling), a cycle of phase
is 2^24, control signals change once in a block of 64 samples. No torch.

References: music-synthesizer-for-android (msfa), env.cc, pitchenv.cc, lfo.cc, dx7note.cc, freqlut.cc; Dexed,
EngineMkI.cpp; each table was compared with what Dexed's engine renders (tests/acceptance/test_dx7_against_dexed.py).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BLOCK = 64
OCTAVE = 1 << 24
ENVELOPE_TOP = 1 << 14

# fmt: off
_LOW_LEVELS = (0, 5, 9, 13, 17, 20, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 42, 43, 45, 46)
_STATIC = (
    1764000, 1764000, 1411200, 1411200, 1190700, 1014300, 992250, 882000, 705600, 705600, 584325, 507150, 502740, 441000,
    418950, 352800, 308700, 286650, 253575, 220500, 220500, 176400, 145530, 145530, 125685, 110250, 110250, 88200, 88200,
    74970, 61740, 61740, 55125, 48510, 44100, 37485, 31311, 30870, 27562, 27562, 22050, 18522, 17640, 15435, 14112,
    13230, 11025, 9261, 9261, 7717, 6615, 6615, 5512, 5512, 4410, 3969, 3969, 3439, 2866, 2690, 2249, 1984, 1896, 1808,
    1411, 1367, 1234, 1146, 926, 837, 837, 705, 573, 573, 529, 441, 441,
)
_PITCH_LOW = (-128, -116, -104, -95, -85, -76, -68, -61, -56, -52, -49, -46, -43, -41, -39, -37, -35, -33)
_PITCH_HIGH = (38, 40, 43, 46, 49, 53, 58, 65, 73, 82, 92, 103, 115, 127)
_PITCH_RATES = (
    1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 31, 33, 34, 36, 37, 38, 39, 41, 42, 44, 46, 47, 49, 51, 53, 54, 56, 58, 60,
    62, 64, 66, 68, 70, 72, 74, 76, 79, 82, 85, 88, 91, 94, 98, 102, 106, 110, 115, 120, 125, 130, 135, 141, 147, 153,
    159, 165, 171, 178, 185, 193, 202, 211, 232, 243, 254, 255,
)
_VELOCITY = (
    0, 70, 86, 97, 106, 114, 121, 126, 132, 138, 142, 148, 152, 156, 160, 163, 166, 170, 173, 174, 178, 181, 184, 186,
    189, 190, 194, 196, 198, 200, 202, 205, 206, 209, 211, 214, 216, 218, 220, 222, 224, 225, 227, 229, 230, 232, 233,
    235, 237, 238, 240, 241, 242, 243, 244, 246, 246, 248, 249, 250, 251, 252, 253, 254,
)
_KEY_CURVE = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14, 16, 19, 23, 27, 33, 39, 47, 56, 66, 80, 94, 110, 126, 142, 158, 174, 190, 206,
    222, 238, 250,
)
# Hz, measured on an instrument by Dexed's authors
_LFO_HZ = (
    0.062541, 0.125031, 0.312393, 0.437120, 0.624610, 0.750694, 0.936330, 1.125302, 1.249609, 1.436782, 1.560915,
    1.752081, 1.875117, 2.062494, 2.247191, 2.374451, 2.560492, 2.686728, 2.873976, 2.998950, 3.188013, 3.369840,
    3.500175, 3.682224, 3.812065, 4.000800, 4.186202, 4.310716, 4.501260, 4.623209, 4.814636, 4.930480, 5.121901,
    5.315191, 5.434783, 5.617346, 5.750431, 5.946717, 6.062811, 6.248438, 6.431695, 6.564264, 6.749460, 6.868132,
    7.052186, 7.250580, 7.375719, 7.556294, 7.687577, 7.877738, 7.993605, 8.181967, 8.372405, 8.504848, 8.685079,
    8.810573, 8.986341, 9.122423, 9.300595, 9.500285, 9.607994, 9.798158, 9.950249, 10.117361, 11.251125, 11.384335,
    12.562814, 13.676149, 13.904338, 15.092062, 16.366612, 16.638935, 17.869907, 19.193858, 19.425019, 20.833333,
    21.034918, 22.502250, 24.003841, 24.260068, 25.746653, 27.173913, 27.578599, 29.052876, 30.693677, 31.191516,
    32.658393, 34.317090, 34.674064, 36.416606, 38.197097, 38.550501, 40.387722, 40.749796, 42.625746, 44.326241,
    44.883303, 46.772685, 48.590865, 49.261084,
)
# fmt: on


def _ints(values: list[int] | tuple[int, ...]) -> Ints:
    return np.array(values, np.int64)


# panel level 0…99 → 0…127
LEVEL = _ints([*_LOW_LEVELS, *range(48, 128)])
# key velocity div 2 → loudness, 239 being neutral
VELOCITY = _ints(_VELOCITY)
# thirds of an octave from the break point → depth of the exponential curves
KEY_CURVE = _ints(_KEY_CURVE)
# panel level 0…99 → pitch in 1/32 octaves
PITCH_LEVEL = _ints([*_PITCH_LOW, *range(-32, 36), *_PITCH_HIGH])
PITCH_RATE = _ints(_PITCH_RATES)
PITCH_SENSITIVITY = _ints((0, 10, 20, 33, 55, 92, 153, 255))
AMPLITUDE_SENSITIVITY = _ints((0, 4342338, 7171437, 16777216))
# samples at 44.1 kHz that an envelope waits where it has nowhere to go
STATIC_SAMPLES = _ints([*_STATIC, *(20 * (99 - rate) for rate in range(77, 100))])
# a falling envelope's step in a block, by its 64 speeds
ENVELOPE_STEP = _ints([(4 + (q & 3)) << (8 + (q >> 2)) for q in range(64)])
# coarse 0 is an octave down, n is the n-th harmonic
COARSE = _ints([-OCTAVE, *(round(OCTAVE * math.log2(n)) for n in range(1, 32))])
FINE = _ints([math.floor(OCTAVE / math.log(2) * math.log(1 + fine / 100) + 0.5) for fine in range(100)])
LFO_HZ = np.array(_LFO_HZ)
# feedback 0…7 → share of the last two samples' sum that is added to the phase
FEEDBACK = np.array([0.0, *(2.0 ** (f - 9) for f in range(1, 8))])


def lfo_delay_steps() -> tuple[Ints, Ints]:
    """LFO delay 1…99 (index 0 isn't used) → multiples of the unit step while waiting, and while fading in."""
    waiting, fading = [0], [0]
    for delay in range(1, 100):
        a = 99 - delay
        a = (16 + (a & 15)) << (1 + (a >> 4))
        waiting.append(a)
        fading.append(max(0x80, a & 0xFF80))
    return _ints(waiting), _ints(fading)


def note_octave(note: float) -> float:
    """MIDI note → log2 of Hz in units of :data:`OCTAVE`, cut to whole units as the engine does."""
    base = int(OCTAVE * (math.log2(440.0) - 69 / 12))
    return base + (OCTAVE // 12) * note


@lru_cache(maxsize=8)
def frequency_table(rate: float) -> Ints:
    """One octave of phase steps a sample, at 2^20 Hz and above, 1025 entries."""
    y, inc = 2.0**44 / rate, 2.0 ** (1 / 1024)
    found = []
    for _ in range(1025):
        found.append(math.floor(y + 0.5))
        y *= inc
    return _ints(found)


def sine_tables() -> tuple[Ints, Ints]:
    """Quarter sine as −1024·log2, and the power of two that turns it back, 1024 entries each (the OPS chip's ROMs)."""
    x = np.sin((0.5 + np.arange(1024)) / 1024 * (math.pi / 2)).astype(np.float32)
    log = np.round(-1024 * np.log2(x.astype(np.float64))).astype(np.int64)
    power = ((2.0 ** (np.arange(1024, dtype=np.float32) / 1024).astype(np.float64) - 1) * 4096).astype(np.float32)
    return log, np.round(power.astype(np.float64)).astype(np.int64)


def lfo_sine() -> Ints:
    """A cycle of the LFO's sine, 1025 entries of 2^24, by the engine's rotation in whole numbers."""
    turn = 2 * math.pi / 1024
    c, s = round(math.cos(turn) * 2**30), round(math.sin(turn) * 2**30)
    u, v = 1 << 30, 0
    half = []
    for _ in range(512):
        half.append((v + 32) >> 6)
        u, v = (u * c - v * s + (1 << 29)) >> 30, (u * s + v * c + (1 << 29)) >> 30
    return _ints([*half, *(-x for x in half), 0])
