"""Six operators at audio rate: the sine ROM, modulation along an algorithm, feedback; forwards and backwards.

An operator's output is y = ±2^26 · 2^(−gain/1024) · |sin|, looked up as the OPS chip does: −log₂ of a quarter sine
plus the gain, turned back by a table of powers, so silence and loudness are sums. 2^24 of output is one cycle of
phase modulation. Gains change linearly over a block (exponentially in amplitude), frequencies once a block.

Backwards, the same recurrence runs in reverse: with a = ∂L/∂y of an operator at a sample,

    ∂L/∂phase = a · A · (2π/2^24) · cos(2π phase/2^24),    ∂L/∂gain = −a · y · ln2/1024,

∂L/∂phase is added to the a of every modulator at that sample, and β · ∂L/∂phase to the feedback's source at the two
samples before. Deep feedback is chaotic, so its local slope is held to ±½ a tap: then the sum can't grow.

Reference: Dexed, EngineMkI.cpp (algorithms 4, 6 and 32 have a quarter of the feedback there).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba
import numpy as np
import torch

from sds_bridge.synths.dx7_algorithms import ALGORITHMS
from sds_bridge.synths.dx7_tables import BLOCK, ENVELOPE_TOP, sine_tables

OPERATORS = 6
SILENT = ENVELOPE_TOP - 100
FULL_SCALE = 2.0**25
CYCLE = 2.0**24

_LOG_QUARTER, _ROM_POWER = (t.astype(np.int32) for t in sine_tables())
# a whole turn of the quarter sine's logarithm, and the powers from the top down
_LOG_SINE = np.tile(np.concatenate([_LOG_QUARTER, _LOG_QUARTER[::-1]]), 2)
_POWER = 4096 + _ROM_POWER[::-1].copy()
_COSINE = np.cos(2 * np.pi * (np.arange(4096) + 0.5) / 4096).astype(np.float32)
_AMPLITUDE = (2.0**26 * 2.0 ** (-np.arange(1 << 15) / 1024)).astype(np.float32)


@cache
def _wiring(algorithm: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Who modulates whom ``[6, 6]``, who sounds ``[6]``, the feedback's source and target; operators from 0."""
    chart = ALGORITHMS[algorithm]
    modulated = np.zeros((OPERATORS, OPERATORS), np.bool_)
    for source, targets in enumerate(chart.targets):
        for target in targets:
            modulated[target, source] = True
    sounding = np.array([op in chart.carriers for op in range(OPERATORS)])
    return modulated, sounding, chart.feedback[0], chart.feedback[1]


@numba.njit(cache=True, nogil=True, inline="always")
def _sine(phase, gain):  # type: ignore[no-untyped-def]
    index = (phase >> 12) & 4095
    total = _LOG_SINE[index] + gain
    size = _POWER[total & 1023] >> (total >> 10)
    return (size ^ -(index >> 11)) << 13


@numba.njit(cache=True, nogil=True)
def _forward(levels, frequencies, feedback, modulated, sounding, source, target, mix, y, indices, gains):  # type: ignore[no-untyped-def]
    """One voice: int64 ``[6, blocks]`` twice → ``mix [T]``, and where their T isn't 0 ``y``, ``indices`` (the place in
    the sine, 0…4095) and ``gains`` (0 where an operator is cut) ``[6, T]``."""
    phase = np.zeros(OPERATORS, np.int64)
    gain_out = np.zeros(OPERATORS, np.int64)
    before, last = np.int64(0), np.int64(0)
    chained = source != target and feedback < 16
    out = np.zeros((OPERATORS, BLOCK), np.int32)
    line, place = np.zeros_like(out), np.zeros_like(out)
    total = np.zeros(BLOCK, np.int32)
    for block in range(levels.shape[1]):
        start = block * BLOCK
        count = min(BLOCK, mix.shape[0] - start)
        chain_on = False
        total[:] = 0
        for op in range(OPERATORS - 1, -1, -1):
            gain = gain_out[op] if gain_out[op] != 0 else np.int64(ENVELOPE_TOP - 1)
            gain_out[op] = ENVELOPE_TOP - (levels[op, block] >> 14)
            step = (gain_out[op] - gain + BLOCK // 2) >> 6
            frequency = frequencies[op, block]
            heard = gain <= SILENT or gain_out[op] <= SILENT
            if chain_on and op >= source:
                # inside the loop of algorithms 4 and 6 gains don't glide, and are never cut
                gain, step, heard = gain_out[op], np.int64(0), True
            elif chained and op == target and heard:
                chain_on = True
            if not heard:
                out[op] = 0
                line[op] = 0
                place[op] = 0
            else:
                for k in range(BLOCK):
                    line[op, k] = gain + (k + 1) * step
                    place[op, k] = phase[op] + k * frequency
                if chain_on and op >= source:
                    pass
                elif op == target and source == target and feedback < 16:
                    for k in range(count):
                        at = place[op, k] + ((before + last) >> (feedback + 1))
                        before = last
                        last = np.int64(_sine(at, line[op, k]))
                        out[op, k], place[op, k] = last, at
                else:
                    for by in range(op + 1, OPERATORS):
                        if modulated[op, by]:
                            for k in range(BLOCK):
                                place[op, k] += out[by, k]
                    for k in range(BLOCK):
                        out[op, k] = _sine(place[op, k], line[op, k])
            if chain_on and op == source:
                for k in range(count):
                    at = (before + last) >> (feedback + 1)
                    before = last
                    for link in range(target, source - 1, -1):
                        at += place[link, k]
                        last = np.int64(_sine(at, line[link, k]))
                        out[link, k], place[link, k] = last, at
                        at = last
            if sounding[op]:
                for k in range(BLOCK):
                    total[k] += out[op, k]
        for k in range(count):
            mix[start + k] = np.float32(total[k]) / np.float32(FULL_SCALE)
        for op in range(OPERATORS):
            phase[op] += frequencies[op, block] * BLOCK
        if y.shape[1] > 0:
            for op in range(OPERATORS):
                for k in range(count):
                    y[op, start + k] = out[op, k]
                    indices[op, start + k] = (place[op, k] >> 12) & 4095
                    gains[op, start + k] = line[op, k]


@numba.njit(cache=True, nogil=True, inline="always")
def _sum(x):  # type: ignore[no-untyped-def]
    """The sum of 64 numbers by halves: the same bits whatever a processor's vectors hold. Overwrites ``x``."""
    half = BLOCK // 2
    while half > 0:
        for k in range(half):
            x[k] += x[k + half]
        half //= 2
    return x[0]


@numba.njit(cache=True, nogil=True)
def _backward(gradient, y, indices, gains, beta, modulated, sounding, source, target, d_levels, d_frequencies):  # type: ignore[no-untyped-def]
    """``gradient [T]`` of the mix → gradients of levels and frequencies ``[6, blocks]``; returns that of β.

    Blocks run backwards; in a block an operator comes after those that it modulates, and is done at once, but for
    the feedback's loop, which goes sample by sample.
    """
    length = gradient.shape[0]
    a = np.zeros((OPERATORS, BLOCK))
    slopes, to_phase = np.zeros((OPERATORS, BLOCK)), np.zeros((OPERATORS, BLOCK))
    work = np.zeros(BLOCK)
    after = np.zeros(OPERATORS)
    one, two = 0.0, 0.0  # what the feedback brings to its source at the sample before, and the one before that
    d_beta = 0.0
    radians = 2 * np.pi / CYCLE
    loop = beta > 0
    for block in range(d_levels.shape[1] - 1, -1, -1):
        start = block * BLOCK
        count = min(BLOCK, length - start)
        if count <= 0:
            continue
        for op in range(OPERATORS):
            a[op] = 0.0
            slopes[op] = 0.0
            to_phase[op] = 0.0
            for k in range(count):
                gain = gains[op, start + k]
                slope = _AMPLITUDE[gain] * radians * _COSINE[indices[op, start + k]]
                slopes[op, k] = slope if gain != 0 else 0.0
            if sounding[op]:
                for k in range(count):
                    a[op, k] = gradient[start + k]
        for op in range(OPERATORS):
            if loop and op == source:
                for k in range(count - 1, -1, -1):
                    t = start + k
                    a[source, k] += one
                    one, two = two, 0.0
                    for link in range(source, target + 1):
                        if gains[link, t] == 0:
                            a[link, k] = 0.0
                        to_phase[link, k] = a[link, k] * slopes[link, k]
                        if link < target:
                            a[link + 1, k] += to_phase[link, k]
                    ago = (y[source, t - 1] if t > 0 else 0) + (y[source, t - 2] if t > 1 else 0)
                    d_beta += to_phase[target, k] * ago
                    # total · tap, which is 0 where the target is cut
                    back = a[target, k] * min(max(beta * slopes[target, k], -0.5), 0.5)
                    one += back
                    two += back
            elif not (loop and source <= op <= target):
                for k in range(count):
                    to_phase[op, k] = a[op, k] * slopes[op, k]
            for by in range(op + 1, OPERATORS):
                if modulated[op, by] and not (loop and source <= op and by <= target):
                    for k in range(BLOCK):
                        a[by, k] += to_phase[op, k]
            for k in range(BLOCK):
                work[k] = to_phase[op, k] * k
            d_frequencies[op, block] = _sum(work) + count * after[op]
            work[:] = to_phase[op]
            after[op] += _sum(work)
            # gain glides from the block before to this one; levels fall as gains rise
            work[:] = 0.0
            for k in range(count):
                here = a[op, k] * y[op, start + k] * (0.6931471805599453 / 1024) / 16384
                work[k] = here if gains[op, start + k] != 0 else 0.0
            for k in range(BLOCK):
                a[op, k] = work[k] * (k + 1) / BLOCK
            whole = _sum(work)
            glided = whole if loop and source <= op < target else _sum(a[op])
            d_levels[op, block] += glided
            if block > 0:
                d_levels[op, block - 1] += whole - glided
    return d_beta


class _Operators(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        levels: torch.Tensor,
        frequencies: torch.Tensor,
        beta: torch.Tensor,
        algorithms: list[int],
        samples: int,
        each: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        batch = len(levels)
        whole = [x.detach().round().to("cpu", torch.int64).contiguous().numpy() for x in (levels, frequencies)]
        ctx.set_materialize_grads(False)  # only the mix has one
        kept = samples if each or any(ctx.needs_input_grad) else 0
        y = np.empty((batch, OPERATORS, kept), np.int32)
        indices, gains = (np.empty((batch, OPERATORS, kept), np.int16) for _ in range(2))
        mix = np.empty((batch, samples), np.float32)

        def one(b: int) -> None:
            modulated, sounding, source, target = _wiring(algorithms[b])
            strength = float(beta.detach()[b])
            shift = round(-np.log2(strength)) - 1 if strength > 0 else 16
            _forward(
                whole[0][b], whole[1][b], shift, modulated, sounding, source, target, mix[b], y[b], indices[b], gains[b]
            )

        _each(one, batch)
        ctx.saved = (y, indices, gains, beta.detach(), algorithms, levels.shape)
        operators = torch.from_numpy(y)
        ctx.mark_non_differentiable(operators)
        return torch.from_numpy(mix).to(levels.device), operators

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        y, indices, gains, beta, algorithms, shape = ctx.saved
        gradient = (gradients[0].detach().cpu().double() / FULL_SCALE).numpy()
        d_levels, d_frequencies = np.zeros(shape), np.zeros(shape)
        d_beta = torch.zeros(len(beta), dtype=torch.float64)

        def one(b: int) -> None:
            modulated, sounding, source, target = _wiring(algorithms[b])
            d_beta[b] = _backward(
                gradient[b], y[b], indices[b], gains[b], float(beta[b]), modulated, sounding, source, target,
                d_levels[b], d_frequencies[b],
            )  # fmt: skip

        _each(one, len(beta))
        made = [torch.from_numpy(x).to(gradients[0].device) for x in (d_levels, d_frequencies)]
        return made[0], made[1], d_beta.to(gradients[0].device), None, None, None


def _each(work: Any, count: int) -> None:
    """The kernels hold no lock, so voices run beside one another, one thread for each that torch would use."""
    workers = min(count, torch.get_num_threads())
    if workers < 2:
        for b in range(count):
            work(b)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(count)))


def operators(
    levels: torch.Tensor,
    frequencies: torch.Tensor,
    beta: torch.Tensor,
    algorithms: list[int],
    samples: int,
    each: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The mix ``[B, samples]``, and where ``each`` is asked for the operators ``[B, 6, samples]`` (without gradient).

    A carrier at output level 99 has amplitude 1. Runs on the CPU, wherever the tensors are.

    Args:
        levels: after each block, ``[B, 6, blocks]``, 2^24 to an octave, operator 1 first.
        frequencies: phase steps a sample in each block, ``[B, 6, blocks]``.
        beta: share of the last two samples' sum that feeds back, ``[B]``; 0 or a power of two.
        algorithms: 0…31 for each voice.
    """
    mix, y = _Operators.apply(levels, frequencies, beta, algorithms, samples, each)
    return mix, y.to(mix) / FULL_SCALE if each else None
