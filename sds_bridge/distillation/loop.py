"""The loop under every task: a cooperative stop, checkpoints, bit-equal resume, and an end at the first NaN.

All randomness of step k comes from :func:`step_generator` (seed, k), so a resumed run draws what an
undisturbed one would have drawn, and ends bit-equal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sds_bridge.errors import DivergedError
from sds_bridge.files import replacing

Tensors = dict[str, torch.Tensor]
Advance = Callable[[int, Tensors, torch.Generator], float]
OnStep = Callable[[int, float, Tensors], None]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step; distinct (seed, step) pairs give distinct streams."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step * 7_919 + 17) % (2**63))


@dataclass
class Outcome:
    """The last good state, how many steps were done, and each step's loss.

    ``kept`` is set where ``values`` are those of an earlier step.
    """

    values: Tensors
    steps: int
    losses: list[float] = field(default_factory=list)
    stopped: bool = False
    kept: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A file that a later run with the same ``identity`` resumes from, written every ``seconds``."""

    path: Path
    identity: str
    seconds: float = 5.0

    def save(self, state: Tensors, losses: list[float]) -> None:
        tensors = {f"state.{name}": value.detach().contiguous() for name, value in state.items()}
        tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
        with replacing(self.path) as beside:
            save_file(tensors, beside, metadata={"identity": self.identity})

    def load(self, state: Tensors) -> list[float]:
        """Restore ``state`` in place; the losses so far, empty when there is nothing of this run to load."""
        if not self.path.exists():
            return []
        try:
            with safe_open(self.path, "pt") as file:
                if (file.metadata() or {}).get("identity") != self.identity:
                    return []
                with torch.no_grad():
                    for name, value in state.items():
                        value.copy_(file.get_tensor(f"state.{name}"))
                return [float(x) for x in file.get_tensor("losses")]
        except (SafetensorError, OSError):
            return []


def loop(
    state: Tensors,
    advance: Advance,
    steps: int,
    seed: int,
    on_step: OnStep,
    should_stop: Callable[[], bool],
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Call ``advance(step, state, generator)``, which changes ``state`` in place and returns the loss.

    ``on_step(step, loss, state)`` comes after each step with the number of steps done; ``should_stop`` is
    asked before each.

    Raises:
        DivergedError: a loss isn't finite; its ``outcome`` holds the state before that step.
    """
    losses = checkpoint.load(state) if checkpoint else []
    saved = time.monotonic()
    for step in range(len(losses), steps):
        if should_stop():
            if checkpoint:
                checkpoint.save(state, losses)
            return Outcome(_copy(state), step, losses, stopped=True)
        loss = advance(step, state, step_generator(seed, step))
        if not math.isfinite(loss):
            raise DivergedError(
                f"step {step}: the loss is {loss:g}. The last good result is kept; try a lower --guidance or another --seed.",
                Outcome(_copy(state), step, losses),
            )
        losses.append(loss)
        on_step(step + 1, loss, state)
        if checkpoint and time.monotonic() - saved > checkpoint.seconds:
            checkpoint.save(state, losses)
            saved = time.monotonic()
    return Outcome(_copy(state), steps, losses)


def _copy(state: Tensors) -> Tensors:
    return {name: value.detach().clone() for name, value in state.items()}
