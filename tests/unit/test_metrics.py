"""Metrics against values that follow from their definitions."""

import numpy as np
import pytest
import torch

from sds_bridge.errors import InputError
from sds_bridge.evaluation import metrics

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal(24_000) * 0.1


def noise_orthogonal_to(signal: np.ndarray, snr_db: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(signal.shape)
    noise -= signal * (noise @ signal) / (signal @ signal)
    return noise * np.linalg.norm(signal) / np.linalg.norm(noise) * 10 ** (-snr_db / 20)


@pytest.mark.parametrize("snr", [-10.0, 0.0, 6.0, 30.0])
def test_known_noise_gives_known_sdr_and_si_sdr(snr):
    estimate = NOISE + noise_orthogonal_to(NOISE, snr)
    assert metrics.sdr(NOISE, estimate) == pytest.approx(snr, abs=1e-3)
    assert metrics.si_sdr(NOISE, estimate) == pytest.approx(snr, abs=1e-3)


@pytest.mark.parametrize("gain", [0.5, 2.0, 10.0])
def test_a_gain_error_costs_sdr_but_not_si_sdr(gain):
    estimate = NOISE + noise_orthogonal_to(NOISE, 12.0)
    assert metrics.si_sdr(NOISE, gain * estimate) == pytest.approx(12.0, abs=1e-3)
    assert metrics.sdr(NOISE, gain * NOISE) == pytest.approx(-20 * np.log10(abs(gain - 1)), abs=1e-3)


def test_a_filter_error_costs_sdr_but_not_bss_sdr():
    filtered = np.convolve(NOISE, [0.0, 0.7, 0.2, -0.1])[: len(NOISE)]
    assert metrics.sdr(NOISE, filtered) < 1.0
    assert metrics.bss_sdr(NOISE, filtered) > 30.0


def test_bss_sdr_skips_channels_without_reference():
    stereo = np.stack([NOISE, np.zeros_like(NOISE)])
    noisy = stereo + 0.001 * np.random.default_rng(2).standard_normal(stereo.shape)
    assert metrics.bss_sdr(stereo, noisy) == pytest.approx(metrics.bss_sdr(stereo[0], noisy[0]), abs=1e-6)


def test_sdr_takes_all_channels_together():
    stereo = np.stack([NOISE, 0.1 * NOISE])
    estimate = stereo + np.stack([noise_orthogonal_to(NOISE, 20.0), np.zeros_like(NOISE)])
    assert metrics.sdr(stereo, estimate) == pytest.approx(20 + 10 * np.log10(1.01), abs=1e-3)


def test_identical_sounds():
    found = metrics.evaluate(NOISE, NOISE)
    assert found["log_spectral_distance"] == 0.0
    assert found["spectrogram_correlation"] == pytest.approx(1.0, abs=1e-12)
    assert found["sdr"] == found["si_sdr"] == metrics.MOST_DB
    assert 100.0 < found["bss_sdr"] <= metrics.MOST_DB


def test_a_silent_estimate():
    found = metrics.evaluate(NOISE, np.zeros_like(NOISE))
    assert found["sdr"] == found["si_sdr"] == pytest.approx(0.0, abs=1e-9)
    assert found["bss_sdr"] == -metrics.MOST_DB
    assert found["log_spectral_distance"] > 50.0
    assert found["spectrogram_correlation"] == 0.0


@pytest.mark.parametrize("gain_db", [-6.0, -1.0, 3.0])
def test_log_spectral_distance_of_a_gain_is_that_gain(gain_db):
    assert metrics.log_spectral_distance(NOISE, NOISE * 10 ** (gain_db / 20)) == pytest.approx(abs(gain_db), rel=0.01)


def test_log_spectral_distance_ignores_what_is_under_the_floor():
    tone = np.sin(2 * np.pi * 1000 / 24_000 * np.arange(24_000)) * np.hanning(24_000)
    hiss = np.random.default_rng(3).standard_normal(24_000)
    assert metrics.log_spectral_distance(tone, tone + 1e-7 * hiss) < 0.05
    assert metrics.log_spectral_distance(tone, tone + 1e-2 * hiss) > 10.0


def test_log_spectral_distance_from_silence_is_the_height_above_the_floor():
    click = np.zeros(8192)
    click[4096] = 0.5
    # a click's spectrum is flat, and each frame's level is the window's value at the click
    expected = []
    for window in metrics.WINDOWS:
        offsets = 4096 - np.arange(8192 // (window // 4) + 1) * (window // 4) + window // 2
        inside = (offsets >= 0) & (offsets < window)
        hann = np.where(inside, np.sin(np.pi * offsets / window) ** 2, 0)
        expected.append(np.mean(np.clip(20 * np.log10(np.maximum(hann, 1e-30)), -80, 0) + 80))
    assert metrics.log_spectral_distance(click, np.zeros(8192)) == pytest.approx(np.mean(expected), abs=1e-6)


def test_spectrogram_correlation_is_blind_to_gain_and_low_for_strangers():
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 6000, 24_000)) / 24_000)
    assert metrics.spectrogram_correlation(sweep, 0.01 * sweep) == pytest.approx(1.0, abs=1e-9)
    assert metrics.spectrogram_correlation(sweep, sweep[::-1].copy()) < 0.3
    assert metrics.spectrogram_correlation(sweep, np.zeros_like(sweep)) == 0.0


def test_arrays_and_tensors_agree_and_short_clips_work():
    short = NOISE[:100].astype(np.float32)
    assert metrics.sdr(torch.tensor(short), torch.tensor(0.5 * short)) == metrics.sdr(short, 0.5 * short)
    assert metrics.log_spectral_distance(short, 0.5 * short) == pytest.approx(6.02, abs=0.05)


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.ones(4), np.ones(5), r"\[4\] and estimate \[5\] differ"),
        (np.ones((1, 2, 3)), np.ones((1, 2, 3)), r"shape \[1, 2, 3\]"),
        (np.ones(0), np.ones(0), r"shape \[0\]"),
        (np.zeros(4), np.ones(4), "reference: is silent"),
        (np.ones(4), np.array([1, np.nan, np.inf, 0]), "estimate: 2 samples are NaN"),
        (np.array([np.nan, 1]), np.ones(2), "reference: 1 samples"),
    ],
)
@pytest.mark.parametrize("metric", [metrics.sdr, metrics.log_spectral_distance, metrics.evaluate])
def test_bad_pairs_are_refused_in_one_line(metric, reference, estimate, message):
    with pytest.raises(InputError, match=message) as caught:
        metric(reference, estimate)
    assert "\n" not in str(caught.value)
