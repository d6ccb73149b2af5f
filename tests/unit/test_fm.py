"""The FM synth against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from sds_bridge.patch import Patch
from sds_bridge.synths.base import note_hz
from sds_bridge.synths.catalog import make_synth

RATE = 24000
FLAT = {
    "op1.attack": 0.001,
    "op1.sustain": 1.0,
    "op1.level": 1.0,
    "velocity.amount": 0.0,
    "gain": 1.0,
    **{f"op{i}.attack": 0.001 for i in (2, 3, 4)},
    **{f"op{i}.sustain": 1.0 for i in (2, 3, 4)},
}


def play(parameters, note=69, velocity=127, seconds=1.0, rate=RATE, hold=10.0, seed=0):
    synth = make_synth("fm")
    values = synth.values_from(Patch(synth="fm", parameters={**FLAT, **parameters}))
    return synth.render(values, note=note, velocity=velocity, seconds=seconds, hold=hold, rate=rate, seed=seed)


def spectrum_at(x, hz, rate=RATE):
    """Amplitude of a partial by projection on a Hann-windowed complex exponential."""
    n = torch.arange(len(x)) / rate
    window = torch.hann_window(len(x), periodic=False)
    return (2 * (x * window * torch.exp(-2j * math.pi * hz * n)).sum().abs() / window.sum()).item()


@pytest.mark.parametrize("rate", [22050, 24000, 44100, 48000, 96000])
@pytest.mark.parametrize("note", [33, 60, 69.5])
def test_a_plain_operator_is_a_sine_at_the_notes_frequency(rate, note):
    x = play({}, note=note, rate=rate)[0, 0]
    spectrum = torch.fft.rfft(x * torch.hann_window(len(x)), n=1 << 21).abs()
    found = spectrum.argmax().item() * rate / (1 << 21)
    assert 1200 * abs(math.log2(found / note_hz(note))) < 2.0
    assert spectrum_at(x[rate // 10 :], note_hz(note), rate) == pytest.approx(1.0, abs=0.01)


def test_modulation_gives_bessel_sidebands():
    """sin(φ + I·sin φ_m) has partials |J_n(I)| at f + n·f_m."""
    from scipy.special import jv

    index, ratio = 2.0, 3.0
    x = play({"op2.ratio": ratio, "matrix.1.2": index})[0, 0][RATE // 10 :]
    f = note_hz(69)
    for n in range(4):
        assert spectrum_at(x, f + n * ratio * f) == pytest.approx(abs(jv(n, index)), abs=0.02)


def test_an_acyclic_chain_is_exact():
    """Four operators in a row equal the nested sines that they stand for."""
    x = play({"matrix.1.2": 1.5, "matrix.2.3": 1.0, "matrix.3.4": 2.0, "op3.ratio": 2.0})[0, 0]
    t = torch.arange(RATE, dtype=torch.float64) / RATE
    w = 2 * math.pi * 440 * t
    rise = torch.clamp(t / 0.001, max=1.0)
    y4 = rise * torch.sin(w)
    y3 = rise * torch.sin(2 * w + 2.0 * y4)
    y2 = rise * torch.sin(w + 1.0 * y3)
    y1 = rise * torch.sin(w + 1.5 * y2)
    assert (x.double() - y1).abs().max() < 2e-3


def test_envelope_times_are_sixty_decibels():
    x = play({"op1.sustain": 0.0, "op1.decay": 0.5})[0, 0]

    def level(at):
        i = int(at * RATE)
        return x[i : i + 240].abs().max().item()

    assert 20 * math.log10(level(0.35) / level(0.1)) == pytest.approx(-60 * 0.25 / 0.5, abs=1.0)


def test_release_starts_when_the_key_is_up():
    x = play({"op1.release": 0.1}, hold=0.5)[0, 0]
    assert x[int(0.49 * RATE) : int(0.5 * RATE)].abs().max() > 0.95
    assert x[int(0.65 * RATE) :].abs().max() < 0.001


def test_velocity_lowers_the_level_by_the_square_law():
    soft = play({"velocity.amount": 1.0}, velocity=64)
    assert soft.abs().max().item() == pytest.approx((64 / 127) ** 2, rel=0.01)


def test_noise_and_room_are_seeded_and_stereo():
    noisy = {"noise.level": 0.5, "reverb.send": 0.5}
    one, again, other = play(noisy, seed=1), play(noisy, seed=1), play(noisy, seed=2)
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one[:, 0], one[:, 1])


def test_a_batch_is_the_same_as_one_by_one():
    synth = make_synth("fm")
    positions = synth.starting_positions(3, seed=5)
    settings = {"note": 50, "velocity": 90, "seconds": 0.25, "hold": 0.2, "rate": RATE}
    together = synth.render(synth.values_at(positions), **settings)
    for i in range(3):
        alone = synth.render(synth.values_at({k: v[i : i + 1] for k, v in positions.items()}), **settings)
        assert torch.allclose(together[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", ["fm", "modal"])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_played_is_what_is_tuned(name, batch):
    """Without gradients a sound is made in pieces, and its noise only once; it is the same sound."""
    synth = make_synth(name)
    positions = synth.varied_positions(batch, seed=1)
    settings = {"note": 50, "velocity": 90, "seconds": 2.3, "hold": 1.2, "rate": RATE, "seed": 7}
    tuned = synth.render(synth.values_at(positions), **settings)
    with torch.no_grad():
        played = synth.render(synth.values_at(positions), **settings)
        assert torch.allclose(played, tuned, atol=1e-6)
        assert torch.equal(synth.render(synth.values_at(positions), **settings), played)
    with torch.inference_mode():
        assert torch.equal(synth.render(synth.values_at(positions), **settings), played)


@pytest.mark.parametrize("name", ["fm", "modal"])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_gradients_are_finite_at_both_ends_of_every_range(name, end):
    synth = make_synth(name, {"modes": 16} if name == "modal" else None)
    positions = {k: torch.full_like(v, end).requires_grad_() for k, v in synth.starting_positions(1, 0).items()}
    x = synth.render(synth.values_at(positions), note=60, velocity=100, seconds=0.3, hold=0.2, rate=RATE)
    gradients = torch.autograd.grad(x.square().sum(), list(positions.values()), allow_unused=True)
    for name_, gradient in zip(positions, gradients, strict=True):
        assert gradient is not None, name_
        assert torch.isfinite(gradient).all(), name_


def test_gradients_agree_with_finite_differences():
    synth = make_synth("fm", {"operators": 2})
    positions = {k: v.double() for k, v in synth.starting_positions(1, 3).items()}
    for name in (
        "op1.level",
        "op1.decay",
        "op2.level",
        "matrix.1.2",
        "noise.level",
        "noise.decay",
        "reverb.send",
        "gain",
        "op1.sustain",
    ):

        def energy(p, name=name):
            x = synth.render(
                synth.values_at({**positions, name: p}), note=60, velocity=100, seconds=0.2, hold=0.15, rate=8000
            )
            return x.double().square().sum()

        at = positions[name].clone().requires_grad_()
        (analytic,) = torch.autograd.grad(energy(at), at)
        step = 1e-3
        numeric = (energy(positions[name] + step) - energy(positions[name] - step)) / (2 * step)
        assert analytic.item() == pytest.approx(numeric.item(), rel=0.05, abs=1e-4), name
