"""The FM synth: N operators and a full modulation matrix (Audio-SDS, section 4.1).

Operator i puts out y_i = e_i(t) · sin(φ_i(t) + Σ_j A_ij · y_j), with A's diagonal as feedback. For a matrix
without cycles this is solved exactly in N sweeps of y ← e · sin(φ + A·y) from y = 0, because sweep k settles
every operator at depth k. Cycles and feedback are by definition the result of N + ``FEEDBACK_SWEEPS`` sweeps;
the map is a contraction for feedback below 1 rad, where this converges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from sds_bridge.synths.base import Synth, Values, note_hz, struck, velocity_gain
from sds_bridge.synths.envelope import adsr, fall
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, FEEDBACK_SWEEPS, NOISE_LEVEL, fm_parameters
from sds_bridge.synths.noise import NoiseSource
from sds_bridge.synths.reverb import band_noise_room
from sds_bridge.synths.spread import Spread

PER_OPERATOR = ("ratio", "detune", "level", "attack", "decay", "sustain", "release")
# samples that are made together where no gradient is wanted
AT_ONCE = 1 << 14
ROOM_BANDS_HZ = (250.0, 1000.0, 4000.0)
VARIED_RATIOS = (0.5, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 7.0, 1.41, 2.76, 3.5)


@dataclass(frozen=True)
class _Operators:
    """What is the same at every moment of a note: ``[B, N, 1]`` each, and A, ``[B, N, N]``."""

    ratio: torch.Tensor
    envelope: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
    level: torch.Tensor
    matrix: torch.Tensor

    def tone(self, time: torch.Tensor, cycles: torch.Tensor, hold: float) -> torch.Tensor:
        """What they put out together at the times ``[T]``, ``[B, T]``; ``cycles`` are those at ratio 1."""
        turned = cycles[:, None] * self.ratio.double()
        phases = ((turned - turned.detach().floor()) * (2 * math.pi)).to(self.ratio.dtype)
        envelopes = adsr(time, hold, *self.envelope)
        out = envelopes * torch.sin(phases)  # the first sweep, from y = 0
        for _ in range(self.matrix.shape[1] + FEEDBACK_SWEEPS - 1):
            out = envelopes * torch.sin(phases + self.matrix @ out)
        return (self.level.transpose(1, 2) @ out)[:, 0]


class FMSynth(Synth):
    """``operators`` sine operators; noise and a room beside them."""

    name = "fm"
    in_parts = AT_ONCE

    def __init__(self, operators: int = DEFAULT_OPERATORS) -> None:
        self.operators = operators
        self.settings = {"operators": operators}
        self.parameters = fm_parameters(operators)
        self._noise = NoiseSource()

    def dry(
        self,
        values: Values,
        *,
        note: float,
        velocity: int,
        seconds: float,
        hold: float,
        rate: int,
        seed: int = 0,
        reference_note: float = 60,
        part: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        v, samples = values, round(seconds * rate)
        start, stop = part or (0, samples)
        time = torch.arange(stop, device=v["gain"].device) / rate
        operators, cycles = self._operators(v), self._cycles(v, note, time, rate)[:, start:]
        time = time[start:]
        # each moment for itself: what fits into a processor's cache is made in half the time
        most = max(samples, 1) if torch.is_grad_enabled() else AT_ONCE
        pieces = zip(time.split(most), cycles.split(most, 1), strict=True)
        tone = torch.cat([operators.tone(t, c, hold) for t, c in pieces], 1)
        noise = self._noise(samples, v["noise.tone"], rate, seed)[:, start:stop]
        dry = tone + NOISE_LEVEL * v["noise.level"] * fall(time, v["noise.decay"]) * noise
        return dry * v["gain"] * velocity_gain(velocity, v["velocity.amount"])

    def dry_part(self, values: Values, part: tuple[int, int], **note: Any) -> torch.Tensor:
        return self.dry(values, part=part, **note)

    def _operators(self, v: Values) -> _Operators:
        ops = range(1, self.operators + 1)
        of = {name: torch.stack([v[f"op{i}.{name}"] for i in ops], 1) for name in PER_OPERATOR}
        matrix = torch.stack([torch.cat([v[f"matrix.{i}.{j}"] for j in ops], 1) for i in ops], 1)
        envelope = (of["attack"], of["decay"], of["sustain"], of["release"])
        return _Operators(of["ratio"] * torch.exp2(of["detune"] / 1200), envelope, of["level"], matrix)

    def _cycles(self, v: Values, note: float, time: torch.Tensor, rate: int) -> torch.Tensor:
        """Of an operator at ratio 1 since the first sample, ``[B, T]`` in float64.

        In float32 a phase is off by a hundredth of a cycle after two seconds at 10 kHz.
        """
        semitones = v["pitch.offset"] + v["pitch.sweep"] * torch.exp(-time / v["pitch.decay"])
        base = note_hz(note) * torch.exp2(semitones / 12)
        cycles = torch.cumsum((base / rate).double(), 1)
        return cycles - cycles[:, :1]

    def strike(self, values: Values, velocity: int) -> tuple[int, float]:
        return struck(velocity, values["velocity.amount"])

    def room(self, values: Values, samples: int, rate: int, seed: int) -> torch.Tensor:
        """Bands above ``reverb.tone`` decay faster, in proportion."""
        v = values
        bands = torch.tensor(ROOM_BANDS_HZ, device=v["reverb.tone"].device)
        shortening = 1 / (1 + (bands / v["reverb.tone"]) ** 2)
        decay = v["reverb.time"] * (0.15 + 0.85 * shortening)
        level = v["reverb.send"] * torch.ones_like(decay)
        return band_noise_room(level, decay, ROOM_BANDS_HZ, samples, rate, seed + 1)

    def starting_positions(self, batch: int, seed: int) -> Values:
        """Operator 1 sounds, operator 2 modulates it a little, the others wait in reserve at a low level."""
        generator = torch.Generator().manual_seed(seed)
        positions = {p.name: torch.full((batch, 1), p.to_position(p.default)) for p in self.parameters}
        for i in range(2, self.operators + 1):
            positions[f"op{i}.level"] += 0.25 if i == 3 else 0.1
            positions[f"op{i}.ratio"] = positions[f"op{i}.ratio"] + 0.12 * i
            positions[f"matrix.1.{i}"] += 0.3 / i
        if self.operators >= 4:
            positions["matrix.3.4"] += 0.2
        positions["noise.level"] += 0.15
        positions["reverb.send"] += 0.1
        for p in self.parameters:
            if p.name not in ("gain", "velocity.amount"):
                positions[p.name] = positions[p.name] + 0.03 * torch.randn(batch, 1, generator=generator)
            positions[p.name] = positions[p.name].clamp(0, 1)
        return {p.name: positions[p.name] for p in self.parameters}

    def varied_positions(self, batch: int, seed: int) -> Values:
        """Plucks, strikes and held notes over four octaves; modulators mostly feed lower operators."""
        draw, ops = Spread(self.parameters, batch, seed), range(1, self.operators + 1)
        draw.put("pitch.offset", draw.pick((-24.0, -12.0, -12.0, 0.0, 0.0, 12.0, 24.0)))
        draw.place("pitch.sweep", draw.sometimes(0.3, draw.uniform(0.5, 1.0), 0.5))
        draw.put("pitch.decay", draw.log_uniform(0.01, 0.3))
        attack = draw.log_uniform(0.002, 0.3) * draw.sometimes(0.5, draw.uniform(0.1, 0.1), 1.0)
        decay, held = draw.log_uniform(0.08, 6.0), draw.uniform() < 0.5
        for i in ops:
            ratios = (1.0, 1.0, 1.0, 2.0, 0.5) if i == 1 else VARIED_RATIOS
            draw.put(f"op{i}.ratio", draw.pick(ratios))
            level = draw.uniform(0.3, 0.9) if i == 1 else draw.sometimes(0.4, draw.uniform(0.0, 0.8), 0.02)
            draw.place(f"op{i}.level", level)
            draw.put(f"op{i}.attack", attack * draw.log_uniform(0.5, 2.0))
            draw.put(f"op{i}.decay", draw.sometimes(0.4, draw.log_uniform(0.05, 6.0), decay))
            draw.place(f"op{i}.sustain", torch.where(held, draw.uniform(0.4, 1.0), draw.uniform(0.0, 0.3)))
            draw.put(f"op{i}.release", draw.log_uniform(0.05, 1.0))
            for j in ops:
                share = 0.25 if i == j else 0.5 if j > i else 0.1
                draw.place(f"matrix.{i}.{j}", draw.sometimes(share, draw.uniform(0.0, 0.7), 0.01))
        draw.place("noise.level", draw.sometimes(0.5, draw.uniform(0.0, 0.9), 0.02))
        draw.put("noise.decay", draw.log_uniform(0.03, 2.0))
        draw.put("noise.tone", draw.log_uniform(400.0, 15_000.0))
        draw.place("reverb.send", draw.sometimes(0.5, draw.uniform(0.0, 0.5), 0.02))
        return draw.positions
