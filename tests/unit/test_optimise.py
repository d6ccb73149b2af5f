"""The loop: stop, resume bit-equal, clip, freeze, and end on a NaN with the last good values."""

from __future__ import annotations

import math

import pytest
import torch

from sds_bridge.distillation.optimise import Run, optimise
from sds_bridge.errors import DivergedError


def noisy_bowl(step, tensors, generator):
    return (
        sum(((v - 0.3) ** 2).sum() for v in tensors.values())
        + 0.1 * (tensors["a"] * torch.randn(3, generator=generator)).sum()
    )


def make(tmp_path, **changes):
    start = {"a": torch.full((3,), 0.9), "b": torch.tensor([0.1])}
    settings = {"start": start, "loss": noisy_bowl, "steps": 40, "learning_rate": 0.02, "seed": 7, "identity": "x"}
    return Run(**{**settings, "checkpoint": tmp_path / "c.safetensors", "checkpoint_seconds": 0.0, **changes})


def nothing(*_):
    return None


def test_it_goes_downhill(tmp_path):
    outcome = optimise(make(tmp_path, steps=400), nothing, lambda: False)
    assert outcome.steps == 400
    assert outcome.values["b"].item() == pytest.approx(0.3, abs=0.05)


def test_stopping_and_resuming_ends_bit_equal(tmp_path):
    whole = optimise(make(tmp_path / "w", checkpoint=None), nothing, lambda: False)
    asked = []
    half = optimise(make(tmp_path), nothing, lambda: len(asked) == 17 or asked.append(1))
    assert half.stopped and half.steps == 17
    seen = []
    rest = optimise(make(tmp_path), lambda step, *_: seen.append(step), lambda: False)
    assert seen[0] == 18
    assert all(torch.equal(whole.values[k], rest.values[k]) for k in whole.values)
    assert whole.losses == rest.losses


def test_a_checkpoint_of_another_run_is_ignored(tmp_path):
    optimise(make(tmp_path), nothing, lambda: False)
    seen = []
    optimise(make(tmp_path, identity="other"), lambda step, *_: seen.append(step), lambda: False)
    assert seen[0] == 1


def test_a_damaged_checkpoint_is_ignored(tmp_path):
    (tmp_path / "c.safetensors").write_bytes(b"garbage")
    assert optimise(make(tmp_path), nothing, lambda: False).steps == 40


def test_frozen_values_stay(tmp_path):
    outcome = optimise(make(tmp_path, frozen=frozenset({"b"})), nothing, lambda: False)
    assert outcome.values["b"].item() == pytest.approx(0.1)


def test_positions_stay_within_their_range(tmp_path):
    run = make(tmp_path, loss=lambda s, t, g: -t["a"].sum() + t["b"].sum(), steps=200, learning_rate=0.1)
    outcome = optimise(run, nothing, lambda: False)
    assert outcome.values["a"].max() == 1.0 and outcome.values["b"].min() == 0.0


def test_a_nan_ends_the_run_naming_the_step(tmp_path):
    def loss(step, tensors, generator):
        return noisy_bowl(step, tensors, generator) * (math.nan if step == 5 else 1.0)

    with pytest.raises(DivergedError, match="step 5") as caught:
        optimise(make(tmp_path, loss=loss), nothing, lambda: False)
    outcome = caught.value.outcome
    assert outcome.steps == 5
    assert torch.isfinite(outcome.values["a"]).all()


def test_each_step_is_reported_and_stop_takes_one_step(tmp_path):
    seen = []
    outcome = optimise(make(tmp_path), lambda step, *_: seen.append(step), lambda: len(seen) >= 3)
    assert seen == [1, 2, 3] and outcome.steps == 3
