"""Gradient descent on a synth's positions or on latents: Adam with clipping, cooling and projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from sds_bridge.distillation.loop import Checkpoint, OnStep, Outcome, Tensors, loop

Loss = Callable[[int, Tensors, torch.Generator], torch.Tensor]


@dataclass
class Run:
    """What to optimise and how.

    Args:
        start: named leaf values; positions in 0…1 unless ``bounded`` is False.
        loss: ``(step, tensors, generator) → scalar``.
        steps: how many in all.
        learning_rate: Adam's; falls to a tenth along a cosine if ``cooling``.
        frozen: names that must not change.
        gradient_norm: clipping threshold.
        checkpoint, identity: see :class:`~sds_bridge.distillation.loop.Checkpoint`.
    """

    start: Tensors
    loss: Loss
    steps: int
    learning_rate: float
    seed: int
    frozen: frozenset[str] = frozenset()
    bounded: bool = True
    cooling: bool = True
    gradient_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    checkpoint: Path | None = None
    checkpoint_seconds: float = 5.0
    identity: str = ""


def optimise(run: Run, on_step: OnStep, should_stop: Callable[[], bool]) -> Outcome:
    """Run to the end, to a stop, or to a value that isn't finite (:func:`~sds_bridge.distillation.loop.loop`)."""
    free = [name for name in run.start if name not in run.frozen]
    state = {name: value.detach().clone() for name, value in run.start.items()}
    for name in free:
        state[f"adam.first.{name}"] = torch.zeros_like(state[name])
        state[f"adam.second.{name}"] = torch.zeros_like(state[name])

    def advance(step: int, state: Tensors, generator: torch.Generator) -> float:
        leaves = {name: state[name].detach() for name in run.start}
        for name in free:
            leaves[name] = leaves[name].clone().requires_grad_(True)
        loss = run.loss(step, leaves, generator)
        gradients = torch.autograd.grad(loss, [leaves[n] for n in free], allow_unused=True)
        found = {n: g for n, g in zip(free, gradients, strict=True) if g is not None}
        norm = torch.stack([g.square().sum() for g in found.values()]).sum().sqrt().item()
        if not (math.isfinite(norm) and torch.isfinite(loss)):
            return math.nan
        _adam(run, step, state, found, min(1.0, run.gradient_norm / (norm + 1e-12)))
        return float(loss.item())

    checkpoint = Checkpoint(run.checkpoint, run.identity, run.checkpoint_seconds) if run.checkpoint else None

    def report(step: int, loss: float, state: Tensors) -> None:
        on_step(step, loss, {name: state[name] for name in run.start})

    outcome = loop(state, advance, run.steps, run.seed, report, should_stop, checkpoint)
    outcome.values = {name: outcome.values[name] for name in run.start}
    return outcome


@torch.no_grad()
def _adam(run: Run, step: int, state: Tensors, gradients: Tensors, scale: float) -> None:
    """Kingma & Ba 2015, algorithm 1, then projection onto 0…1 where positions are bounded."""
    first, second = run.betas
    rate = run.learning_rate
    if run.cooling:
        rate *= 0.1 + 0.45 * (1 + math.cos(math.pi * step / max(1, run.steps)))
    for name, gradient in gradients.items():
        m, v = state[f"adam.first.{name}"], state[f"adam.second.{name}"]
        gradient = gradient * scale
        m.mul_(first).add_(gradient, alpha=1 - first)
        v.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (v / (1 - second ** (step + 1))).sqrt() + 1e-8
        state[name].sub_(rate * (m / (1 - first ** (step + 1))) / size)
        if run.bounded:
            state[name].clamp_(0.0, 1.0)
