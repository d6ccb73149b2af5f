"""The modal synth against the sum that it factors, and its memory."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.synths.modal import damped_sinusoids

RATE = 24000


def test_damped_sinusoids_equal_their_sum():
    generator = torch.Generator().manual_seed(0)
    frequency = 50 + 9000 * torch.rand(2, 7, generator=generator)
    decay, gain = 0.1 + torch.rand(2, 7, generator=generator), torch.rand(2, 7, generator=generator)
    found = damped_sinusoids(frequency, decay, gain, 10_001, RATE)
    t = torch.arange(10_001, dtype=torch.float64) / RATE
    f, d, a = frequency.double()[..., None], decay.double()[..., None], gain.double()[..., None]
    wanted = (a * torch.exp(-math.log(1000) * t / d) * torch.cos(2 * math.pi * f * t)).sum(1)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-3


def test_modes_above_nyquist_are_silent():
    f = torch.tensor([[15_000.0]])
    assert damped_sinusoids(f, torch.ones(1, 1), torch.ones(1, 1), 100, RATE).abs().max() == 0


def test_pitch_follows_the_note():
    synth = make_synth("modal", {"modes": 1})
    dry = {"strike.level": 0.0, "reverb.level": [0.0] * 7, "modes.gain": 1.0, "pitch": 400.0, "gain": 1.0}
    values = synth.values_from(Patch(synth="modal", settings={"modes": 1}, parameters=dry))
    x = synth.render(values, note=72, velocity=127, seconds=1.0, hold=0.1, rate=RATE, reference_note=60)[0, 0]
    spectrum = torch.fft.rfft(x * torch.hann_window(len(x)), n=1 << 19).abs()
    assert abs(1200 * math.log2(spectrum.argmax().item() * RATE / (1 << 19) / 800)) < 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux' /proc")
def test_memory_does_not_grow_with_modes_times_samples():
    """2048 modes × 10 s at 44.1 kHz would take 3.6 GB a copy; forward and backward add less than 0.5 GB.

    VmHWM, because ru_maxrss of a child starts at its parent's.
    """
    script = (
        "import re, torch\n"
        "from sds_bridge.synths.modal import damped_sinusoids\n"
        "def peak():\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "f = torch.linspace(50, 15000, 2048)[None].requires_grad_()\n"
        "d = torch.full((1, 2048), 0.5, requires_grad=True)\n"
        "g = torch.full((1, 2048), 0.01, requires_grad=True)\n"
        "damped_sinusoids(f, d, g, 441000, 44100).square().sum().backward()\n"
        "assert torch.isfinite(f.grad).all()\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 0.5e9
