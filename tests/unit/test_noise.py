"""Noise that a synth keeps for its next note."""

import torch

from sds_bridge.synths.noise import NoiseSource, low_passed_noise

RATE = 44_100


def test_it_is_kept_for_one_voice_that_needs_no_gradient():
    source, corner = NoiseSource(), torch.tensor([[900.0]])
    first = source(5000, corner, RATE, 3)
    assert source(5000, corner.clone(), RATE, 3) is first
    assert torch.equal(first, low_passed_noise(5000, corner, RATE, 3))
    for other in (
        source(5000, corner, RATE, 4),
        source(5000, corner + 1, RATE, 3),
        source(5000, corner.requires_grad_(), RATE, 3).detach(),
    ):
        assert other is not first
    double = source(5000, corner.detach().double(), RATE, 3)
    assert double.dtype == torch.float64


def test_each_synth_keeps_its_own():
    """However many tracks play beside one another, none makes another forget."""
    sources = [NoiseSource() for _ in range(20)]
    corners = [torch.tensor([[500.0 + i]]) for i in range(20)]
    first = [source(5000, corner, RATE, 0) for source, corner in zip(sources, corners, strict=True)]
    again = [source(5000, corner, RATE, 0) for source, corner in zip(sources, corners, strict=True)]
    assert all(a is b for a, b in zip(first, again, strict=True))
