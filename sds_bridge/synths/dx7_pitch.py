"""What moves the DX7's pitch and level in common: the pitch envelope and the LFO, block by block.

Both are exact in their integers and carry their derivatives in continuous time, as ``dx7_envelope`` does.

Reference: music-synthesizer-for-android, pitchenv.cc and lfo.cc.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from sds_bridge.synths.dx7_tables import OCTAVE, lfo_sine

_SINE = lfo_sine()


@numba.njit(cache=True, nogil=True)
def _glide(targets, steps, key_up, levels, slopes):  # type: ignore[no-untyped-def]
    """Straight lines: int64 ``[B, 4]`` → ``levels [B, n]``, ``slopes [B, n, 8]`` by targets and steps."""
    for b in range(targets.shape[0]):
        level, stage, down = targets[b, 3], 0, True
        d, began = np.zeros(8), np.zeros(8)
        d[3] = 1.0
        rate = np.int64(1) if targets[b, 0] > level else np.int64(-1)
        for n in range(levels.shape[1]):
            if n == key_up[b]:
                stage, down = 3, False
                rate = np.int64(1) if targets[b, 3] > level else np.int64(-1)
            if stage < 3 or (stage == 3 and not down):
                d[4 + stage] += rate
                slope = rate * steps[b, stage]
                level += slope
                if (level - targets[b, stage]) * rate >= 0:
                    level = targets[b, stage]
                    began[:] = -d / slope
                    began[stage] += 1.0 / slope
                    d[:] = 0.0
                    d[stage] = 1.0
                    stage += 1
                    if stage < 3:
                        rate = np.int64(1) if targets[b, stage] > level else np.int64(-1)
                        d -= rate * steps[b, stage] * began
            levels[b, n] = level
            slopes[b, n] = d


@numba.njit(cache=True, nogil=True)
def _oscillate(step, waiting, fading, wave, sync, values, fades, slopes):  # type: ignore[no-untyped-def]
    """Waves and fade-ins ``[B, n]``; ``slopes [B, n, 3]``: wave by step, fade by waiting and by fading."""
    whole, half = np.int64(1) << 32, np.int64(1) << 31
    for b in range(step.shape[0]):
        phase = half - 1 if sync[b] else np.int64(0)
        chance = np.int64(0)
        faded, full = np.int64(0), False
        for n in range(values.shape[1]):
            phase = (phase + step[b]) % whole
            slope = 0.0
            if wave[b] == 0:
                x = phase >> 7
                value = (x ^ 0x1FFFFFF if phase >= half else x) & 0xFFFFFF
                slope = -1 / 128 if phase >= half else 1 / 128
            elif wave[b] == 1:
                value, slope = ((whole - 1 - phase) ^ half) >> 8, -1 / 256
            elif wave[b] == 2:
                value, slope = (phase ^ half) >> 8, 1 / 256
            elif wave[b] == 3:
                value = np.int64(0) if phase >= half else np.int64(OCTAVE)
            elif wave[b] == 4:
                at, low = phase >> 22, (phase >> 8) & 0x3FFF
                sine = _SINE[at] + ((_SINE[at + 1] - _SINE[at]) * low >> 14)
                value = np.int64(OCTAVE // 2) + (sine >> 1)
                slope = np.cos(2 * np.pi * phase / whole) * np.pi * OCTAVE / whole
            else:
                if phase < step[b]:
                    chance = (chance * 179 + 17) & 0xFF
                value = ((chance ^ 0x80) + 1) << 16
            values[b, n] = value
            slopes[b, n, 0] = slope * (n + 1)
            slopes[b, n, 1] = 0.0
            slopes[b, n, 2] = 0.0
            if not full:
                move = waiting[b] if faded < half else fading[b]
                full = faded + move >= whole
                faded += move
            if full:
                fades[b, n] = OCTAVE
            elif faded < half:
                fades[b, n] = 0
            else:
                fades[b, n] = (faded >> 7) & 0xFFFFFF
                # t blocks after waiting ended at n₀ = 2^31 / waiting: fade = fading · (n − n₀)
                blocks = half / waiting[b]
                slopes[b, n, 1] = fading[b] * blocks / waiting[b] / 128
                slopes[b, n, 2] = max(0.0, n + 1 - blocks) / 128


def _whole(x: torch.Tensor) -> np.ndarray:
    return x.detach().round().to("cpu", torch.int64).numpy()


class _Glide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, targets: torch.Tensor, steps: torch.Tensor, key_up: np.ndarray, blocks: int) -> torch.Tensor:
        levels = np.empty((len(targets), blocks), np.int64)
        slopes = np.empty((len(targets), blocks, 8), np.float32)
        _glide(_whole(targets), _whole(steps), key_up, levels, slopes)
        ctx.slopes = torch.from_numpy(slopes)
        return torch.from_numpy(levels).to(targets.device, torch.float64)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        found = torch.einsum("bn,bnk->bk", gradients[0].cpu().float(), ctx.slopes).to(gradients[0])
        return found[:, :4], found[:, 4:], None, None


class _Oscillate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        step: torch.Tensor,
        waiting: torch.Tensor,
        fading: torch.Tensor,
        wave: torch.Tensor,
        sync: torch.Tensor,
        blocks: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        values, fades = (np.empty((len(step), blocks), np.int64) for _ in range(2))
        slopes = np.empty((len(step), blocks, 3), np.float32)
        _oscillate(*(_whole(x) for x in (step, waiting, fading, wave, sync)), values, fades, slopes)
        ctx.slopes = torch.from_numpy(slopes)
        made = [torch.from_numpy(x).to(step.device, torch.float64) for x in (values, fades)]
        return made[0], made[1]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        value, fade = (g.cpu().float() for g in gradients)
        found = [(value * ctx.slopes[..., 0]).sum(1), *((fade * ctx.slopes[..., k]).sum(1) for k in (1, 2))]
        return *(g.to(gradients[0]) for g in found), None, None, None


def glide(targets: torch.Tensor, steps: torch.Tensor, key_up: np.ndarray, blocks: int) -> torch.Tensor:
    """Pitch envelope after each block, ``[B, blocks]`` float64: it starts at the fourth target.

    Args:
        targets, steps: pitches and what a stage moves in a block, ``[B, 4]``, 2^24 to an octave.
        key_up: the block before which each key goes up, int64 ``[B]``.
    """
    result: torch.Tensor = _Glide.apply(targets, steps, key_up, blocks)
    return result


def oscillate(
    step: torch.Tensor,
    waiting: torch.Tensor,
    fading: torch.Tensor,
    wave: torch.Tensor,
    sync: torch.Tensor,
    blocks: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The LFO's wave and fade-in, each 0…2^24, ``[B, blocks]`` float64.

    Args:
        step, waiting, fading: what phase, delay and fade-in move in a block, of 2^32, ``[B]``.
        wave: 0 triangle, 1 saw down, 2 saw up, 3 square, 4 sine, 5 sample and hold, ``[B]``.
        sync: 1 starts the wave with the key, ``[B]``.
    """
    values, fades = _Oscillate.apply(step, waiting, fading, wave, sync, blocks)
    return values, fades
