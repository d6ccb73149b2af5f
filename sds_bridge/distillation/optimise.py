"""The optimisation loop: Adam on positions, with a callback, a cooperative stop, checkpoints and a NaN guard.

All randomness of step k comes from :func:`step_generator` (seed, k), so a resumed run draws what an
undisturbed one would have drawn, and ends bit-equal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sds_bridge.errors import DivergedError

Tensors = dict[str, torch.Tensor]
Loss = Callable[[int, Tensors, torch.Generator], torch.Tensor]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step; distinct (seed, step) pairs give distinct streams."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step * 7_919 + 17) % (2**63))


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
        checkpoint: file that a later run with the same ``identity`` resumes from.
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


@dataclass
class Outcome:
    """The last good values, how many steps were done, and each step's loss."""

    values: Tensors
    steps: int
    losses: list[float] = field(default_factory=list)
    stopped: bool = False


OnStep = Callable[[int, float, Tensors], None]


def optimise(run: Run, on_step: OnStep, should_stop: Callable[[], bool]) -> Outcome:
    """Run to the end, to a stop, or to a value that isn't finite.

    ``on_step(step, loss, values)`` comes after each update with the number of steps done.
    ``should_stop`` is asked before each step.

    Raises:
        DivergedError: naming the step; its ``outcome`` attribute holds the last good values.
    """
    leaves = {name: value.detach().clone() for name, value in run.start.items()}
    free = [name for name in leaves if name not in run.frozen]
    for name in free:
        leaves[name].requires_grad_(True)
    moments: dict[str, Tensors] = {name: {k: torch.zeros_like(leaves[name]) for k in ("m", "v")} for name in free}
    losses = _resume(run, leaves, moments)
    saved = time.monotonic()
    for step in range(len(losses), run.steps):
        if should_stop():
            _save(run, leaves, moments, losses)
            return Outcome(_copy(leaves), step, losses, stopped=True)
        loss = run.loss(step, leaves, step_generator(run.seed, step))
        gradients = torch.autograd.grad(loss, [leaves[n] for n in free], allow_unused=True)
        found = {n: g for n, g in zip(free, gradients, strict=True) if g is not None}
        norm = torch.stack([g.square().sum() for g in found.values()]).sum().sqrt()
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            error = DivergedError(
                f"step {step}: the loss is {loss.item():g} and its gradient {norm.item():g}. "
                "The last good patch is kept; try a lower --guidance or another --seed."
            )
            error.outcome = Outcome(_copy(leaves), step, losses)  # type: ignore[attr-defined]
            raise error
        _adam(run, step, leaves, moments, found, min(1.0, run.gradient_norm / (norm.item() + 1e-12)))
        losses.append(loss.item())
        on_step(step + 1, losses[-1], leaves)
        if time.monotonic() - saved > run.checkpoint_seconds:
            _save(run, leaves, moments, losses)
            saved = time.monotonic()
    return Outcome(_copy(leaves), run.steps, losses)


@torch.no_grad()
def _adam(run: Run, step: int, leaves: Tensors, moments: dict[str, Tensors], gradients: Tensors, scale: float) -> None:
    """Kingma & Ba 2015, algorithm 1, then projection onto 0…1 where positions are bounded."""
    first, second = run.betas
    rate = run.learning_rate
    if run.cooling:
        rate *= 0.1 + 0.45 * (1 + float(torch.cos(torch.tensor(torch.pi * step / max(1, run.steps)))))
    for name, gradient in gradients.items():
        m, v = moments[name]["m"], moments[name]["v"]
        gradient = gradient * scale
        m.mul_(first).add_(gradient, alpha=1 - first)
        v.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (v / (1 - second ** (step + 1))).sqrt() + 1e-8
        leaves[name].sub_(rate * (m / (1 - first ** (step + 1))) / size)
        if run.bounded:
            leaves[name].clamp_(0.0, 1.0)


def _copy(leaves: Tensors) -> Tensors:
    return {name: value.detach().clone() for name, value in leaves.items()}


def _save(run: Run, leaves: Tensors, moments: dict[str, Tensors], losses: list[float]) -> None:
    if run.checkpoint is None:
        return
    tensors = {f"value.{n}": v.detach().contiguous() for n, v in leaves.items()}
    tensors |= {f"{k}.{n}": part.contiguous() for n, pair in moments.items() for k, part in pair.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    beside = run.checkpoint.with_name(f"{run.checkpoint.name}.{os.getpid()}.part")
    save_file(tensors, beside, metadata={"identity": run.identity})
    os.replace(beside, run.checkpoint)


def _resume(run: Run, leaves: Tensors, moments: dict[str, Tensors]) -> list[float]:
    """Load a checkpoint of the same run in place; returns the losses so far (empty when there is none)."""
    if run.checkpoint is None or not run.checkpoint.exists():
        return []
    try:
        with safe_open(run.checkpoint, "pt") as file:
            if (file.metadata() or {}).get("identity") != run.identity:
                return []
            with torch.no_grad():
                for name, value in leaves.items():
                    value.copy_(file.get_tensor(f"value.{name}"))
                for name, pair in moments.items():
                    for key, part in pair.items():
                        part.copy_(file.get_tensor(f"{key}.{name}"))
            return [float(x) for x in file.get_tensor("losses")]
    except (SafetensorError, OSError):
        return []
