"""Every declared parameter and curve: round trips, ends, gradients; and patches checked against declarations."""

import math

import numpy as np
import pytest
import torch

from sds_bridge.errors import PatchError
from sds_bridge.patch import Patch
from sds_bridge.synths.fm_parameters import fm_parameters
from sds_bridge.synths.modal_parameters import modal_parameters
from sds_bridge.synths.parameters import Parameter, check

DECLARED = {"fm": fm_parameters(), "modal": modal_parameters()}
EACH = [pytest.param(p, id=f"{synth}:{p.name}") for synth, declared in DECLARED.items() for p in declared]
CURVES = [
    Parameter("x", "Hz", 20.0, 20_000.0, "log", 440.0, ""),
    Parameter("x", "", -3.0, 5.0, "linear", 0.0, ""),
    Parameter("x", "", 0.0, 1.0, "taper", 0.5, ""),
]


def test_there_are_parameters_of_every_curve():
    assert len(EACH) > 60
    assert {p.curve for declared in DECLARED.values() for p in declared} == {"linear", "log", "taper"}


@pytest.mark.parametrize(
    "declared", [fm_parameters(n) for n in (1, 2, 4, 6, 8)] + [modal_parameters(n) for n in (1, 2048)]
)
def test_names_are_unique_and_described(declared):
    assert len({p.name for p in declared}) == len(declared)
    assert all(p.description and p.unit in ("Hz", "s", "cents", "semitones", "ratio", "rad", "") for p in declared)


@pytest.mark.parametrize("p", EACH)
def test_position_to_value_and_back(p):
    for position in np.linspace(0, 1, 21):
        assert p.to_position(p.to_value(float(position))) == pytest.approx(position, abs=1e-9)
    for value in np.linspace(p.low, p.high, 21):
        found = p.to_value(p.to_position(float(value)))
        assert found == pytest.approx(value, rel=1e-9, abs=1e-9 * (p.high - p.low))


@pytest.mark.parametrize("p", EACH)
def test_ends_of_the_range_and_the_default(p):
    assert p.to_value(0.0) == pytest.approx(p.low, abs=1e-12 * max(1, abs(p.low)))
    assert p.to_value(1.0) == pytest.approx(p.high, rel=1e-12)
    assert p.to_value(p.to_position(p.default)) == pytest.approx(p.default, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("p", EACH)
def test_values_outside_the_range_go_to_its_ends(p):
    assert p.to_position(p.low - 1.0) == 0.0
    assert p.to_position(p.high + 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("p", EACH)
def test_gradient_is_finite_and_positive_from_end_to_end(p):
    position = torch.linspace(0, 1, 11, requires_grad=True)
    p.to_value(position).sum().backward()
    assert torch.isfinite(position.grad).all()
    assert (position.grad > 1e-3 * (p.high - p.low) / 100).all()


@pytest.mark.parametrize("p", CURVES, ids=lambda p: p.curve)
def test_gradient_is_the_slope(p):
    position = torch.linspace(0.01, 0.99, 9, dtype=torch.float64, requires_grad=True)
    p.to_value(position).sum().backward()
    slope = [(p.to_value(x + 1e-6) - p.to_value(x - 1e-6)) / 2e-6 for x in position.tolist()]
    np.testing.assert_allclose(position.grad, slope, rtol=1e-6)


@pytest.mark.parametrize("p", CURVES, ids=lambda p: p.curve)
def test_floats_arrays_and_tensors_agree(p):
    positions = np.linspace(0, 1, 7)
    floats = [p.to_value(x) for x in positions.tolist()]
    np.testing.assert_allclose(p.to_value(positions), floats, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(p.to_value(torch.tensor(positions)), floats, rtol=1e-12, atol=1e-12)


def test_the_middle_of_each_curve():
    log, linear, taper = CURVES
    assert log.to_value(0.5) == pytest.approx(math.sqrt(20 * 20_000))
    assert linear.to_value(0.5) == 1.0
    assert taper.to_value(0.5) == pytest.approx((math.exp(2.5) - 1) / (math.exp(5) - 1))


@pytest.mark.parametrize(
    ("low", "high", "curve", "default"),
    [(0.0, 1.0, "log", 0.5), (-1.0, 1.0, "log", 0.5), (0.0, 1.0, "linear", 2.0), (0.0, 1.0, "taper", -0.1)],
)
def test_declarations_that_cannot_be_right(low, high, curve, default):
    with pytest.raises(ValueError, match="x: default"):
        Parameter("x", "", low, high, curve, default, "")


def fm(**parameters):
    return Patch(synth="fm", parameters=parameters or {"gain": 0.7})


def test_check_fills_in_defaults_in_order():
    values = check(fm(gain=1.5), DECLARED["fm"])
    assert list(values) == [p.name for p in DECLARED["fm"]]
    assert values["gain"] == [1.5]
    assert values["op1.ratio"] == [1.0]


@pytest.mark.parametrize("p", EACH)
def test_check_takes_both_ends_and_nothing_beyond(p):
    synth = "fm" if p in DECLARED["fm"] else "modal"

    def checked(value):
        given = {p.name: value if p.size == 1 else [value] * p.size}
        return check(Patch(synth=synth, parameters=given), DECLARED[synth])[p.name]

    for end in (p.low, p.high):
        assert checked(end) == [end] * p.size
    for beyond in (p.low - 0.01 * (p.high - p.low), p.high + 0.01 * (p.high - p.low)):
        with pytest.raises(PatchError, match="allowed is"):
            checked(beyond)


def test_check_pulls_rounding_errors_back_into_the_range():
    assert check(fm(gain=2.0 + 1e-7), DECLARED["fm"])["gain"] == [2.0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"op9.ratio": 1.0}, r"'op9.ratio' is not one of fm's: pitch.offset, .*Remove or rename it"),
        ({"gain": [0.1, 0.2]}, "'gain' has 2 values; it takes 1"),
        ({"gain": []}, "'gain' has 0 values; it takes 1"),
        ({"gain": 3.0}, "'gain' is 3 ; allowed is 0 to 2|'gain' is 3; allowed is 0 to 2"),
        ({"noise.tone": 1.0}, "'noise.tone' is 1 Hz; allowed is 150 to 18000"),
    ],
)
def test_check_refuses_in_one_line(parameters, message):
    with pytest.raises(PatchError, match=message) as caught:
        check(fm(**parameters), DECLARED["fm"])
    assert "\n" not in str(caught.value)


def test_check_counts_modes():
    with pytest.raises(PatchError, match=r"'modes.gain' has 3 values; it takes 128"):
        check(Patch(synth="modal", parameters={"modes.gain": [0.1] * 3}), DECLARED["modal"])
