"""The DX7's four-stage envelope, run block by block as the engine does, with its derivatives beside it.

A level rises by ⌊17 − level⌋ · step and falls by step each block (levels in octaves), jumps to a floor before it
rises, waits where it has nowhere to go, and starts its next stage in the block after it arrives. The simulation is
exact in its integers. Rounding to blocks would hide how a stage's *end* moves, so the derivatives are those of the
same motion in continuous time: with slope r and target T a stage ends when dn = (dT − dL)/r, and the next one, with
slope r', begins at dL' = dT − r'·dn.

Reference: music-synthesizer-for-android, env.cc; Dexed's waits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from sds_bridge.synths.dx7_tables import BLOCK, OCTAVE

JUMP = 1716 << 16
TOP = 17 * OCTAVE
STAGES = 4


@numba.njit(cache=True, nogil=True)
def _begin(stage, level, targets, steps, waits, starts_waiting, d, began):  # type: ignore[no-untyped-def]
    """How many steps a block the level moves from here, and how many samples it waits first."""
    if waits[stage] > 0 and (targets[stage] == level or (stage == 0 and starts_waiting)):
        return np.int64(0), waits[stage]
    rate = np.int64(-1)
    if targets[stage] > level:
        if level < JUMP:
            d[:] = 0.0
        rate = (TOP - max(level, np.int64(JUMP))) >> 24
    d -= rate * steps[stage] * began
    return rate, np.int64(0)


@numba.njit(cache=True, nogil=True)
def _simulate(targets, steps, waits, starts_waiting, key_up, levels, slopes):  # type: ignore[no-untyped-def]
    """One envelope: int64 ``[4]`` each → ``levels [n]``; ``slopes [n, 12]`` by targets, steps and waits, if n isn't 0."""
    sloped = slopes.shape[0] > 0
    level, stage, down = np.int64(0), 0, True
    d = np.zeros(12)  # slope of the level at a fixed time
    began = np.zeros(12)  # slope of the time at which the stage began, in blocks
    rate, wait = _begin(0, level, targets, steps, waits, starts_waiting, d, began)
    for n in range(levels.shape[0]):
        if n == key_up:
            stage, down = 3, False
            began[:] = 0.0
            rate, wait = _begin(3, level, targets, steps, waits, starts_waiting, d, began)
        if wait > 0:
            wait -= BLOCK
            if wait <= 0:
                wait = np.int64(0)
                began[8 + stage] += 1.0 / BLOCK
                stage += 1
                if stage < 3:
                    rate, wait = _begin(stage, level, targets, steps, waits, starts_waiting, d, began)
        if wait == 0 and (stage < 3 or (stage == 3 and not down)):
            if rate > 0:
                level = max(level, np.int64(JUMP))
                now = (TOP - level) >> 24
                if sloped:
                    d *= now / rate
                rate = now
            d[4 + stage] += rate
            slope = rate * steps[stage]
            level += slope
            if (level - targets[stage]) * rate >= 0:
                level = targets[stage]
                # a target under the floor that a rise jumps to is reached at once, wherever it lies
                if rate < 0 or level > JUMP:
                    began[:] = -d / slope
                    began[stage] += 1.0 / slope
                d[:] = 0.0
                d[stage] = 1.0
                stage += 1
                if stage < 3:
                    rate, wait = _begin(stage, level, targets, steps, waits, starts_waiting, d, began)
        levels[n] = level
        if sloped:
            slopes[n] = d


@numba.njit(cache=True, nogil=True)
def _simulate_all(targets, steps, waits, starts_waiting, key_up, levels, slopes):  # type: ignore[no-untyped-def]
    for b in range(targets.shape[0]):
        for i in range(targets.shape[1]):
            _simulate(
                targets[b, i], steps[b, i], waits[b, i], starts_waiting[b, i], key_up[b], levels[b, i], slopes[b, i]
            )


class _Envelope(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        targets: torch.Tensor,
        steps: torch.Tensor,
        waits: torch.Tensor,
        starts_waiting: torch.Tensor,
        key_up: np.ndarray,
        blocks: int,
    ) -> torch.Tensor:
        shape = (*targets.shape[:2], blocks)
        levels = np.empty(shape, np.int64)
        slopes = np.empty((*shape[:2], blocks if any(ctx.needs_input_grad) else 0, 12), np.float32)
        whole = [x.detach().round().to("cpu", torch.int64).numpy() for x in (targets, steps, waits)]
        _simulate_all(*whole, starts_waiting.cpu().numpy(), key_up, levels, slopes)
        ctx.slopes = torch.from_numpy(slopes)
        return torch.from_numpy(levels).to(targets.device, torch.float64)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        found = torch.einsum("bin,bink->bik", gradient.cpu().float(), ctx.slopes).to(gradient)
        return found[..., :4], found[..., 4:8], found[..., 8:], None, None, None


def envelope(
    targets: torch.Tensor,
    steps: torch.Tensor,
    waits: torch.Tensor,
    starts_waiting: torch.Tensor,
    key_up: np.ndarray,
    blocks: int,
) -> torch.Tensor:
    """Levels after each block, ``[B, I, blocks]`` float64 with whole values, 2^24 to an octave.

    Args:
        targets: level that each of the four stages ends at, ``[B, I, 4]``.
        steps: how far a falling level moves in a block, ``[B, I, 4]``.
        waits: samples that a stage waits which has nowhere to go, ``[B, I, 4]``; 0 for none.
        starts_waiting: bool ``[B, I]``, the first stage's level is 0 on the panel.
        key_up: the block before which each key goes up, int64 ``[B]``.
    """
    result: torch.Tensor = _Envelope.apply(targets, steps, waits, starts_waiting, key_up, blocks)
    return result
