"""Windows join without seams, masks sum to the clip."""

from __future__ import annotations

import numpy as np
import pytest

from sds_bridge.tasks import mask, windows


@pytest.mark.parametrize("length", [1, 99, 100, 101, 175, 176, 1000, 1234])
def test_cut_and_join_are_inverse(length):
    x = np.random.default_rng(0).standard_normal((2, length))
    pieces = windows.cut(x, 100, 25)
    assert pieces.shape[2] == 100
    assert np.allclose(windows.join(pieces, length, 25), x, atol=1e-12)


def test_fades_sum_to_one_and_have_no_corner():
    total = np.zeros(1075)
    for start, curve in zip(windows.starts(1000, 100, 25), windows.fades(1000, 100, 25), strict=True):
        total[start : start + 100] += curve
    assert np.allclose(total[:1000], 1.0)
    assert np.abs(np.diff(windows.fades(1000, 100, 25)[1])).max() < 0.08


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_masked_stems_sum_to_the_clip(rate, channels):
    rng = np.random.default_rng(1)
    clip = rng.standard_normal((channels, rate)).astype(np.float32) * 0.1
    stems = rng.standard_normal((3, rate)).astype(np.float32)
    parts = mask.project(clip, stems, rate, 12000)
    assert parts.shape == (3, channels, rate)
    error = np.abs(parts.sum(0) - clip).max()
    assert 20 * np.log10(error + 1e-12) < -90


def test_a_perfect_estimate_takes_its_own_part():
    t = np.arange(48000) / 48000
    low, high = np.sin(2 * np.pi * 300 * t), 0.5 * np.sin(2 * np.pi * 3000 * t)
    parts = mask.project((low + high)[None], np.stack([low, high]), 48000, 12000)
    inside = slice(4000, -4000)
    assert np.abs(parts[0, 0] - low)[inside].max() < 0.01
    assert np.abs(parts[1, 0] - high)[inside].max() < 0.01
