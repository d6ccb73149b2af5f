"""The DX7's gradients: envelope, operators and whole voice against differences, at both ends of every range."""

import numpy as np
import pytest
import torch

from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.synths.dx7_envelope import envelope
from sds_bridge.synths.dx7_operators import operators
from sds_bridge.synths.dx7_tables import FEEDBACK, OCTAVE

SYNTH = DX7Synth()
PLAIN = {
    "algorithm": 4, "feedback": 3, "transpose": 24, "osc_sync": 1, "lfo.speed": 60, "lfo.delay": 20, "lfo.sync": 1, "lfo.wave": 0,
    "lfo.pitch_depth": 20, "lfo.amp_depth": 40, "pitch_mod_sensitivity": 3,
    **{f"pitch.rate{k}": 40 + 5 * k for k in range(1, 5)}, **{f"pitch.level{k}": 48 + k for k in range(1, 5)},
}  # fmt: skip
OPERATOR = {
    "rate1": 60, "rate2": 45, "rate3": 40, "rate4": 70, "level1": 95, "level2": 85, "level3": 75, "level4": 50,
    "break_point": 50, "left_depth": 20, "right_depth": 20, "left_curve": 3, "right_curve": 0, "rate_scaling": 2,
    "amp_mod_sensitivity": 1, "velocity_sensitivity": 3, "output_level": 80, "fixed_frequency": 0, "coarse": 1,
    "fine": 3, "detune": 8,
}  # fmt: skip


def voice(**changed: float) -> dict[str, torch.Tensor]:
    values = {**PLAIN, **{f"op{i}.{name}": value for i in range(1, 7) for name, value in OPERATOR.items()}}
    values |= {name.replace("__", "."): value for name, value in changed.items()}
    return {name: torch.tensor([[float(value)]], dtype=torch.float64) for name, value in values.items()}


def weighed(levels: torch.Tensor, phase: float) -> torch.Tensor:
    return (levels * torch.cos(torch.arange(levels.shape[-1]) / 200 + phase)).sum() / OCTAVE


def test_envelope_slopes_are_those_of_the_same_motion_in_continuous_time():
    """Relative to differences wide enough that rounding to blocks averages out."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {}
    none, awake = torch.zeros(1, 1, 4, dtype=torch.float64), torch.tensor([[False]])
    for _ in range(80):
        targets = torch.tensor(rng.integers(1800, 3900, (1, 1, 4)) * 65536.0)
        steps = torch.tensor(2.0 ** rng.uniform(14, 20, (1, 1, 4))).round()
        phase = float(rng.uniform(0, 6))

        def loss(targets, steps, phase=phase):
            return weighed(envelope(targets, steps, none, awake, np.array([1000]), 1500), phase)

        leaves = [targets.clone().requires_grad_(), steps.clone().requires_grad_()]
        slopes = torch.autograd.grad(loss(*leaves), leaves)
        for name, which in (("target", 0), ("step", 1)):
            for stage in range(4):
                change = [torch.zeros_like(targets), torch.zeros_like(steps)]
                size = 2.0**19 if name == "target" else 0.03 * float(steps[0, 0, stage])
                change[which][0, 0, stage] = size
                up, down = loss(targets + change[0], steps + change[1]), loss(targets - change[0], steps - change[1])
                pair = (float(up - down) / 2, float(slopes[which][0, 0, stage]) * size)
                found.setdefault(f"{name} {stage + 1}", []).append(pair)
    for name, pairs in found.items():
        assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.93, name


@pytest.mark.parametrize(("algorithm", "feedback"), [(0, 0), (4, 5), (31, 7), (3, 4), (5, 4), (18, 4), (15, 0)])
def test_operator_slopes_agree_with_differences(algorithm, feedback):
    generator = torch.Generator().manual_seed(algorithm)
    blocks, samples = 12, 750
    levels = ((10.5 + 1.5 * torch.rand(1, 6, blocks, generator=generator)) * OCTAVE).double().round()
    frequencies = ((torch.rand(1, 6, 1, generator=generator) * 0.02 + 0.005) * OCTAVE).double().round()
    frequencies = frequencies.expand(1, 6, blocks).clone()
    beta = torch.tensor([FEEDBACK[feedback] * (0.25 if algorithm in (3, 5, 31) else 1)])
    weights = torch.randn(samples, generator=generator).cumsum(0)
    weights = weights - weights.mean()

    def loss(levels, frequencies):
        return (operators(levels, frequencies, beta, [algorithm], samples)[0][0] * weights).sum().double()

    leaves = [levels.clone().requires_grad_(), frequencies.clone().requires_grad_()]
    slopes = torch.autograd.grad(loss(*leaves), leaves)
    pairs = []
    for which, size in ((0, 2.0**19), (1, 24.0)):
        for op in range(6):
            change = [torch.zeros_like(levels), torch.zeros_like(frequencies)]
            change[which][0, op] = size
            up, down = (
                loss(levels + change[0], frequencies + change[1]),
                loss(levels - change[0], frequencies - change[1]),
            )
            pairs.append((float(up - down) / 2, float(slopes[which][0, op].sum()) * size))
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.99


def bands(values: dict[str, torch.Tensor]) -> torch.Tensor:
    mix = SYNTH.voice(values, note=48, velocity=90, samples=16_000, held=11_000, rate=24_000)[0]
    spectrum = torch.stft(mix, 1024, 256, window=torch.hann_window(1024), return_complex=True).abs().square()
    # a floor that is heard, or quantisation noise decides
    return (spectrum.unfold(1, 32, 16).sum(-1) + 10).log()


FREE = [p for p in SYNTH.parameters if not p.choice]
LEVELS = ("output_level", "level1", "level3", "velocity_sensitivity", "left_depth")


@pytest.mark.parametrize("end", ["low", "high"])
def test_slopes_are_finite_at_both_ends_of_every_range(end):
    for p in FREE:
        values = voice(**{p.name.replace(".", "__"): getattr(p, end)})
        leaf = values[p.name].requires_grad_()
        (slope,) = torch.autograd.grad(bands(values).sum(), [leaf])
        assert torch.isfinite(slope).all(), p.name


def test_slopes_of_levels_agree_with_differences():
    pairs = []
    for name in [f"op{i}.{level}" for i in (1, 2, 3) for level in LEVELS] + ["feedback", "lfo.amp_depth"]:
        values = voice()
        weights = torch.randn(bands(values).shape, generator=torch.Generator().manual_seed(1))
        weights = torch.nn.functional.avg_pool2d(weights, 9, 1, 4)
        leaf = values[name].clone().requires_grad_()
        (slope,) = torch.autograd.grad((bands({**values, name: leaf}) * weights).sum(), [leaf])
        step = 4 if "depth" in name else 1
        up, down = (bands({**values, name: values[name] + s}) for s in (step, -step))
        pairs.append((float(((up - down) * weights).sum()) / (2 * step), float(slope)))
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.98


def test_slopes_of_levels_are_counted_once_without_tremolo():
    name, plain = "op1.output_level", {f"op{i}__amp_mod_sensitivity": 0 for i in range(1, 7)}
    values = voice(**plain)
    leaf = values[name].clone().requires_grad_()
    (slope,) = torch.autograd.grad(bands({**values, name: leaf}).sum(), [leaf])
    up, down = (bands({**values, name: values[name] + s}).sum() for s in (1, -1))
    assert float(slope) == pytest.approx(float(up - down) / 2, rel=0.2)


def test_every_free_parameter_moves_the_sound_somewhere():
    values = {name: value.requires_grad_() for name, value in voice().items()}
    slopes = torch.autograd.grad(bands(values).sum(), [values[p.name] for p in FREE], allow_unused=True)
    # note 48 lies below the break point, and a third stage at rest hides nothing else
    idle = {p.name for p, s in zip(FREE, slopes, strict=True) if s is None or float(s.abs()) == 0}
    assert idle == {f"op{i}.right_depth" for i in range(1, 7)}


def test_rounding_is_straight_through():
    synth = SYNTH
    positions = synth.starting_positions(2, seed=1)
    leaf = positions["op2.output_level"].requires_grad_()
    values = synth.values_at(positions)
    assert torch.equal(values["op2.output_level"], values["op2.output_level"].round())
    (slope,) = torch.autograd.grad(values["op2.output_level"].sum(), [leaf])
    assert torch.equal(slope, torch.full_like(slope, 99.0))


def test_batches_render_as_their_rows_do():
    positions = SYNTH.starting_positions(3, seed=5)
    options = {"note": 55, "velocity": 80, "seconds": 0.3, "hold": 0.2, "rate": 24_000}
    whole = SYNTH.render(SYNTH.values_at(positions), **options)
    for row in range(3):
        one = SYNTH.render(SYNTH.values_at({n: v[row : row + 1] for n, v in positions.items()}), **options)
        assert torch.equal(whole[row], one[0])
