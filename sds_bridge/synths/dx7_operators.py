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

_LOG_SINE, _POWER = (t.astype(np.int32) for t in sine_tables())
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
    quarter = index & 1023
    if index & 1024:
        quarter ^= 1023
    total = _LOG_SINE[quarter] + gain
    size = np.int64(4096 + _POWER[(total & 1023) ^ 1023]) >> (total >> 10)
    return (-size - 1) << 13 if index & 2048 else size << 13


@numba.njit(cache=True, nogil=True)
def _forward(levels, frequencies, feedback, modulated, sounding, source, target, y, phases, gains, mix):  # type: ignore[no-untyped-def]
    """One voice: int64 ``[6, blocks]`` twice → ``y``, ``phases``, ``gains`` ``[6, T]`` and ``mix [T]``."""
    length = y.shape[1]
    phase = np.zeros(OPERATORS, np.int64)
    gain_out = np.zeros(OPERATORS, np.int64)
    before, last = np.int64(0), np.int64(0)
    chained = source != target and feedback < 16
    for block in range(levels.shape[1]):
        start = block * BLOCK
        stop = min(start + BLOCK, length)
        chain_on = False
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
                for t in range(start, stop):
                    y[op, t] = 0
                    gains[op, t] = 0
                    phases[op, t] = 0
            elif chain_on and op >= source:
                # done sample by sample below; only the gain's line is laid out here
                for t in range(start, stop):
                    gain += step
                    gains[op, t] = gain
            elif op == target and source == target and feedback < 16:
                for t in range(start, stop):
                    gain += step
                    at = phase[op] + (t - start) * frequency + ((before + last) >> (feedback + 1))
                    before = last
                    last = _sine(at, gain)
                    y[op, t], phases[op, t], gains[op, t] = last, at & 0xFFFFFF, gain
            else:
                for t in range(start, stop):
                    gain += step
                    at = phase[op] + (t - start) * frequency
                    for by in range(op + 1, OPERATORS):
                        if modulated[op, by]:
                            at += y[by, t]
                    y[op, t], phases[op, t], gains[op, t] = _sine(at, gain), at & 0xFFFFFF, gain
            if chain_on and op == source:
                for t in range(start, stop):
                    at = (before + last) >> (feedback + 1)
                    before = last
                    for link in range(target, source - 1, -1):
                        at += phase[link] + (t - start) * frequencies[link, block]
                        last = _sine(at, gains[link, t])
                        y[link, t], phases[link, t] = last, at & 0xFFFFFF
                        at = last
            if sounding[op]:
                for t in range(start, stop):
                    mix[t] += y[op, t]
        for op in range(OPERATORS):
            phase[op] += frequencies[op, block] * BLOCK


@numba.njit(cache=True, nogil=True)
def _backward(gradient, y, phases, gains, beta, modulated, sounding, source, target, d_levels, d_frequencies):  # type: ignore[no-untyped-def]
    """``gradient [T]`` of the mix → gradients of levels and frequencies ``[6, blocks]``; returns that of β."""
    length = gradient.shape[0]
    a = np.zeros((OPERATORS, 3))
    after = np.zeros(OPERATORS)
    d_beta = 0.0
    radians = 2 * np.pi / CYCLE
    for t in range(length - 1, -1, -1):
        block, place = t // BLOCK, t % BLOCK
        slot, one, two = t % 3, (t + 2) % 3, (t + 1) % 3  # this sample, the one before, the one before that
        for op in range(OPERATORS):
            d_frequencies[op, block] += after[op]
            if gains[op, t] == 0:
                a[op, slot] = 0.0
                continue
            total = a[op, slot]
            if sounding[op]:
                total += gradient[t]
            a[op, slot] = 0.0
            # gain glides from the block before to this one; levels fall as gains rise
            to_level = total * y[op, t] * (0.6931471805599453 / 1024) / 16384
            inside = source <= op < target and beta > 0
            share = 1.0 if inside else (place + 1) / BLOCK
            d_levels[op, block] += to_level * share
            if block > 0:
                d_levels[op, block - 1] += to_level * (1 - share)
            slope = _AMPLITUDE[gains[op, t]] * radians * _COSINE[phases[op, t] >> 12]
            to_phase = total * slope
            after[op] += to_phase
            for by in range(op + 1, OPERATORS):
                if modulated[op, by]:
                    a[by, slot] += to_phase
            if op == target and beta > 0:
                ago = (y[source, t - 1] if t > 0 else 0) + (y[source, t - 2] if t > 1 else 0)
                d_beta += to_phase * ago
                tap = beta * slope
                if tap > 0.5:
                    tap = 0.5
                elif tap < -0.5:
                    tap = -0.5
                a[source, one] += total * tap
                a[source, two] += total * tap
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
    ) -> tuple[torch.Tensor, torch.Tensor]:
        batch = len(levels)
        whole = [x.detach().round().to("cpu", torch.int64).contiguous().numpy() for x in (levels, frequencies)]
        y = np.empty((batch, OPERATORS, samples), np.int32)
        phases, gains = (np.empty((batch, OPERATORS, samples), np.int32) for _ in range(2))
        mix = np.zeros((batch, samples), np.int64)

        def one(b: int) -> None:
            modulated, sounding, source, target = _wiring(algorithms[b])
            strength = float(beta[b])
            shift = round(-np.log2(strength)) - 1 if strength > 0 else 16
            _forward(
                whole[0][b], whole[1][b], shift, modulated, sounding, source, target, y[b], phases[b], gains[b], mix[b]
            )

        _each(one, batch)
        ctx.saved = (y, phases, gains, beta.detach(), algorithms, levels.shape)
        heard = torch.from_numpy(mix.astype(np.float32)) / FULL_SCALE
        operators = torch.from_numpy(y)
        ctx.mark_non_differentiable(operators)
        return heard.to(levels.device), operators.to(levels.device)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        y, phases, gains, beta, algorithms, shape = ctx.saved
        gradient = (gradients[0].detach().cpu().double() / FULL_SCALE).numpy()
        d_levels, d_frequencies = np.zeros(shape), np.zeros(shape)
        d_beta = torch.zeros(len(beta), dtype=torch.float64)

        def one(b: int) -> None:
            modulated, sounding, source, target = _wiring(algorithms[b])
            d_beta[b] = _backward(
                gradient[b], y[b], phases[b], gains[b], float(beta[b]), modulated, sounding, source, target,
                d_levels[b], d_frequencies[b],
            )  # fmt: skip

        _each(one, len(beta))
        made = [torch.from_numpy(x).to(gradients[0].device) for x in (d_levels, d_frequencies)]
        return made[0], made[1], d_beta.to(gradients[0].device), None, None


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
    levels: torch.Tensor, frequencies: torch.Tensor, beta: torch.Tensor, algorithms: list[int], samples: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mix ``[B, samples]``, and each operator by itself, int32 ``[B, 6, samples]`` of ``FULL_SCALE``.

    A carrier at output level 99 has amplitude 1. Runs on the CPU, wherever the tensors are.

    Args:
        levels: after each block, ``[B, 6, blocks]``, 2^24 to an octave, operator 1 first.
        frequencies: phase steps a sample in each block, ``[B, 6, blocks]``.
        beta: share of the last two samples' sum that feeds back, ``[B]``; 0 or a power of two.
        algorithms: 0…31 for each voice.
    """
    mix, each = _Operators.apply(levels, frequencies, beta, algorithms, samples)
    return mix, each
