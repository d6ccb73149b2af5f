"""Which note a sound is at, by the autocorrelation of its loudest part."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, rfft

WINDOW_SECONDS = 0.2
LOWEST_HZ, HIGHEST_HZ = 27.5, 2093.0
# the autocorrelation of a clear pitch comes this near to that at lag 0
CLEAR = 0.7
# an earlier peak that is nearly as high is the period; the highest may be a multiple of it
AS_GOOD = 0.9


def estimate_note(sound: np.ndarray, rate: int) -> tuple[int, bool]:
    """Nearest MIDI note of a mono sound ``[samples]``, and whether its pitch is clear."""
    window = min(round(WINDOW_SECONDS * rate), len(sound))
    energy = np.convolve(np.square(sound, dtype=np.float64), np.ones(window), "valid")[:: max(window // 8, 1)]
    first = int(energy.argmax()) * max(window // 8, 1)
    part = sound[first : first + window].astype(np.float64)
    part = part - part.mean()
    spectrum = np.abs(rfft(part, 2 * window)) ** 2
    correlation = irfft(spectrum)[:window] / np.arange(window, 0, -1)
    shortest, longest = int(rate / HIGHEST_HZ), min(int(rate / LOWEST_HZ), window // 2)
    if correlation[0] <= 0 or longest <= shortest + 2:
        return 60, False
    lags = correlation[shortest:longest] / correlation[0]
    peaks = np.flatnonzero((lags[1:-1] >= lags[:-2]) & (lags[1:-1] > lags[2:])) + 1
    if not len(peaks):
        return 60, False
    period = int(peaks[lags[peaks] >= AS_GOOD * lags[peaks].max()][0]) + shortest
    note = round(69 + 12 * float(np.log2(rate / period / 440.0)))
    return min(max(note, 0), 127), bool(lags[period - shortest] >= CLEAR)
