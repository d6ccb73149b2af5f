"""The DX7 voice: differentiable, and exact in its integers.

θ lies on the instrument's own grid (``Parameter.step`` rounds straight-through), so what is tuned is what is
exported. Control signals are computed once in a block of 64 samples with the engine's integer arithmetic, each as a
smooth law plus the constant that rounding adds; audio by ``dx7_operators``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from sds_bridge.synths import dx7_panel as panel
from sds_bridge.synths import dx7_tables as tables
from sds_bridge.synths.base import Synth, Values
from sds_bridge.synths.dx7_algorithms import ALGORITHMS
from sds_bridge.synths.dx7_envelope import envelope
from sds_bridge.synths.dx7_operators import OPERATORS, operators
from sds_bridge.synths.dx7_panel import NAMES, Panel, floor, nearest
from sds_bridge.synths.dx7_parameters import dx7_parameters
from sds_bridge.synths.dx7_pitch import glide, oscillate
from sds_bridge.synths.spread import Spread

REDUCED_FEEDBACK = (3, 5, 31)
MAX_NOTE = MAX_VELOCITY = 127
# of an envelope's 16-bit end; anything below is cut by the operators
LOWEST_HEARD = 25


class DX7Synth(Synth):
    """Six operators, 32 algorithms, four-stage envelopes, LFO and pitch envelope."""

    name = "dx7"
    at_once = 16

    def __init__(self) -> None:
        self.settings = {}
        self.parameters = dx7_parameters()
        self._highest = torch.tensor([float(p.high) for p in self.parameters])

    def values_at(self, positions: Values) -> Values:
        """All at once, as every parameter is a whole number on a line from 0."""
        value = torch.cat([positions[name] for name in NAMES], 1) * self._highest.to(positions[NAMES[0]].device)
        return dict(zip(NAMES, nearest(value).split(1, 1), strict=True))

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
    ) -> torch.Tensor:
        """``note`` is rounded, ``seed`` has no effect: sample and hold always starts alike."""
        samples, held = round(seconds * rate), round(hold * rate)
        return self.voice(values, note=round(note), velocity=velocity, samples=samples, held=held, rate=rate)[0]

    def dry_notes(
        self,
        values: Values,
        notes: Sequence[tuple[float, int, float]],
        *,
        seconds: float,
        rate: int,
        seed: int = 0,
        reference_note: float = 60,
    ) -> torch.Tensor:
        pitches, velocities, holds = zip(*notes, strict=True)
        return self.voice(
            {name: value[:1].expand(len(notes), -1) for name, value in values.items()},
            note=torch.tensor([round(pitch) for pitch in pitches]),
            velocity=torch.tensor(velocities)[:, None],
            samples=round(seconds * rate),
            held=[round(hold * rate) for hold in holds],
            rate=rate,
        )[0]

    def voice(
        self,
        values: Values,
        *,
        note: int | torch.Tensor,
        velocity: int | torch.Tensor,
        samples: int,
        held: int | Sequence[int],
        rate: int,
        each: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mono ``[B, samples]``, and the operators ``[B, 6, samples]`` where ``each`` is asked for.

        ``note`` ``[B]`` and ``velocity`` ``[B, 1]`` may differ in a batch, and so may ``held``, for how many samples the
        key is down.
        """
        v = Panel(values)
        blocks = -(-samples // tables.BLOCK)
        keys = (note + v.voice("transpose") - 24).clamp(0, MAX_NOTE)
        key_up = np.array(np.broadcast_to(-(-np.asarray(held) // tables.BLOCK), len(keys)), np.int64)
        pitch, tremolo = self._modulation(v, rate, key_up, blocks)
        levels = self._levels(v, keys, velocity, rate, key_up, blocks)
        levels = self._with_tremolo(v, levels, tremolo)
        frequencies = self._frequencies(v, keys, pitch, rate)
        algorithms = [int(a) for a in v.voice("algorithm")]
        reduced = torch.tensor([0.25 if a in REDUCED_FEEDBACK else 1.0 for a in algorithms], dtype=torch.float64)
        beta = panel.FEEDBACK(v.voice("feedback")) * reduced.to(keys.device)
        return operators(levels, frequencies, beta, algorithms, samples, each)

    def _levels(
        self, v: Panel, keys: torch.Tensor, velocity: int | torch.Tensor, rate: int, key_up: np.ndarray, blocks: int
    ) -> torch.Tensor:
        """Envelopes with output level, key scaling and velocity, ``[B, 6, blocks]``."""
        output = panel.LEVEL(v.operators("output_level")) + self._key_scaling(v, keys)
        sensitivity = v.operators("velocity_sensitivity")
        output = (output.clamp(max=127) * 32 + _velocity_steps(sensitivity, velocity) * 16).clamp(min=0)
        levels = v.operator_stages("level")
        targets = floor(panel.LEVEL(levels) / 2) * 64 + output[..., None] - 4256
        targets = targets.clamp(min=16) * 65536
        faster = floor(v.operators("rate_scaling") * floor(keys / 3 - 7).clamp(0, 31)[:, None] / 8)[..., None]
        rates = v.operator_stages("rate")
        speed = (floor(rates * 41 / 64) + faster).clamp(max=63)
        slower = float(int(44100.0 / rate * (1 << 24)))
        steps = floor(panel.ENVELOPE_STEP(speed) * slower / 2**24)
        waits = panel.STATIC_SAMPLES((rates + faster).clamp(max=99))
        silent_start = levels[..., 0] == 0
        attack = silent_start & ((rates + faster)[..., 0] < 77)
        first = torch.where(attack, floor(waits[..., 0] / 20), waits[..., 0])
        waits = torch.cat([first[..., None], waits[..., 1:]], 2)
        return envelope(targets, steps, floor(waits * slower / 2**24), silent_start, key_up, blocks)

    def _key_scaling(self, v: Panel, keys: torch.Tensor) -> torch.Tensor:
        """Level change by distance from the break point in thirds of an octave, ``[B, 6]``."""
        offset = keys[:, None] - v.operators("break_point") - 17
        right = offset >= 0
        group = torch.where(right, (offset + 1) / 3, -(offset - 1) / 3).trunc()
        depth = torch.where(right, v.operators("right_depth"), v.operators("left_depth"))
        curve = torch.where(right, v.operators("right_curve"), v.operators("left_curve"))
        straight = floor(group * depth * 329 / 4096)
        bent = panel.KEY_CURVE(group.clamp(max=len(tables.KEY_CURVE) - 1)).detach()
        size = torch.where((curve == 0) | (curve == 3), straight, floor(bent * depth * 329 / 32768))
        return torch.where(curve < 2, -size, size)

    def _modulation(self, v: Panel, rate: int, key_up: np.ndarray, blocks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pitch in octaves/2^24 and depth of tremolo 0…2^24, ``[B, blocks]``."""
        unit = float(int(tables.BLOCK * 25190424 / rate + 0.5))
        delay = v.voice("lfo.delay")
        waiting, fading = (table(delay) * unit for table in (panel.LFO_WAIT, panel.LFO_FADE))
        at_once = torch.full_like(waiting, 2.0**32 - 1)
        wave, fade = oscillate(
            floor(panel.LFO_HZ(v.voice("lfo.speed")) * int(4437500000.0 * tables.BLOCK / rate)),
            torch.where(delay == 0, at_once, waiting),
            torch.where(delay == 0, at_once, fading),
            v.voice("lfo.wave"),
            v.voice("lfo.sync"),
            blocks,
        )
        bipolar = panel.PITCH_SENSITIVITY(v.voice("pitch_mod_sensitivity"))[:, None] * (wave - 2**23)
        vibrato = floor(floor(v.voice("lfo.pitch_depth")[:, None] * 165 / 64) * fade * bipolar / 2**39)
        # the engine floors the product, then gives its size the wave's sign
        vibrato = vibrato.abs() * torch.where(bipolar < 0, -1.0, 1.0)
        bend = int(tables.BLOCK * 2.0**24 / (21.3 * rate) + 0.5)
        heights, rates = v.voice_stages("pitch.level"), v.voice_stages("pitch.rate")
        sweep = glide(panel.PITCH_LEVEL(heights) * 2**19, panel.PITCH_RATE(rates) * bend, key_up, blocks)
        tremolo = floor(floor(v.voice("lfo.amp_depth")[:, None] * 165 / 64) * fade / 256)
        return sweep + vibrato, floor(tremolo * (2**24 - wave) / 2**24)

    def _with_tremolo(self, v: Panel, levels: torch.Tensor, tremolo: torch.Tensor) -> torch.Tensor:
        sensitivity = panel.AMPLITUDE_SENSITIVITY(v.operators("amp_mod_sensitivity"))[..., None]
        depth = floor(tremolo[:, None] * sensitivity / 2**24)
        share = floor(torch.exp(depth / 262144 * 0.07 + 12.2)) / 2**24
        # without sensitivity the engine leaves levels alone, but the way there has a slope
        way = levels.detach() * share
        return torch.where(sensitivity > 0, levels - floor(levels * share), levels - (way - way.detach()))

    def _frequencies(self, v: Panel, keys: torch.Tensor, pitch: torch.Tensor, rate: int) -> torch.Tensor:
        """Phase steps a sample, ``[B, 6, blocks]``."""
        octave = tables.note_octave(0) + (tables.OCTAVE // 12) * keys[:, None]
        detune, fine, coarse = (v.operators(name) for name in ("detune", "fine", "coarse"))
        share = 0.0209 * torch.exp(-0.396 * (octave.float() / 2**24).double()) / 7
        ratio = (octave + share * octave * (detune - 7)).trunc()
        ratio = ratio + (share * octave * (detune - detune.detach()))
        ratio = ratio + panel.COARSE(coarse) + panel.FINE(fine)
        decade = torch.remainder(coarse.detach(), 4) + (coarse - coarse.detach())
        fixed = floor(4458616 * (decade * 100 + fine) / 8) + 13457 * (detune - 7).clamp(min=0)
        own = v.operators("fixed_frequency") > 0.5
        octaves = torch.where(own, fixed, ratio)[..., None] + torch.where(own[..., None], 0.0, pitch[:, None])
        return _steps(octaves, rate)

    def ringing_seconds(self, values: Values) -> float:
        """90 dB of the slowest carrier's fourth stage; without end where that stops above silence."""
        slowest = 0.0
        first = Panel({name: value[:1] for name, value in values.items()})
        scaling = self._key_scaling(first, torch.arange(MAX_NOTE + 1.0)).amax(0)
        for op in ALGORITHMS[int(first.voice("algorithm"))].carriers:
            names = ("rate4", "level4", "output_level", "velocity_sensitivity")
            own = {name: float(first.operators(name)[0, op]) for name in names}
            loudest = min(float(tables.LEVEL[int(own["output_level"])]) + float(scaling[op]), 127)
            if loudest <= 0:
                continue
            struck = 16 * int(_velocity_steps(torch.tensor(own["velocity_sensitivity"]), MAX_VELOCITY))
            end = (int(tables.LEVEL[int(own["level4"])]) >> 1) * 64 + loudest * 32 + struck - 4256
            if end >= LOWEST_HEARD:
                return math.inf
            blocks = 15 * tables.OCTAVE / float(tables.ENVELOPE_STEP[int(own["rate4"]) * 41 >> 6])
            slowest = max(slowest, blocks * tables.BLOCK / 44100)
        return slowest

    def strike(self, values: Values, velocity: int) -> tuple[int, float]:
        """Velocity reaches the operators in few steps; of those that are the same, the lowest."""
        sensitivity = Panel({name: value[:1] for name, value in values.items()}).operators("velocity_sensitivity")
        reached = _velocity_steps(sensitivity, torch.arange(velocity + 1)[:, None])
        return int((reached == reached[-1]).all(1).nonzero()[0]), 1.0

    def starting_positions(self, batch: int, seed: int) -> Values:
        """A carrier with a soft modulator and two quiet pairs beside it, varied by the seed (algorithm 5)."""
        generator = torch.Generator().manual_seed(seed)
        start = {p.name: float(p.default) for p in self.parameters}
        start |= {"algorithm": 4.0, "feedback": 3.0}
        for i, (level, coarse) in enumerate(((90, 1), (65, 1), (75, 1), (60, 3), (70, 2), (55, 5)), 1):
            start |= {f"op{i}.output_level": level, f"op{i}.coarse": coarse, f"op{i}.velocity_sensitivity": 2}
            start |= {f"op{i}.rate{k}": r for k, r in enumerate((90, 45, 35, 55), 1)}
            start |= {f"op{i}.level{k}": r for k, r in enumerate((99, 85, 60, 0), 1)}
        positions = {}
        for p in self.parameters:
            position = torch.full((batch, 1), p.to_position(start[p.name]))
            if not p.choice and p.name.startswith("op"):
                position = position + 0.03 * torch.randn(batch, 1, generator=generator) * (
                    p.name[4:] != "velocity_sensitivity"
                )
            positions[p.name] = position.clamp(0, 1)
        return positions

    def varied_positions(self, batch: int, seed: int) -> Values:
        """All 32 algorithms; plucks, strikes and held notes; whole ratios, some detuned or fixed in between."""
        draw, start = Spread(self.parameters, batch, seed), self.starting_positions(batch, seed)
        draw.positions |= start
        draw.put("algorithm", draw.uniform(-0.5, 31.5).round())
        draw.put("feedback", draw.uniform(0, 7).round())
        draw.put("transpose", draw.pick((0.0, 12.0, 12.0, 24.0, 24.0, 36.0)))
        held, attack, decay = draw.uniform() < 0.5, draw.uniform(45, 99), draw.uniform(20, 75)
        for i in range(1, OPERATORS + 1):
            own = draw.sometimes(0.4, draw.uniform(20, 75), decay)
            draw.put(f"op{i}.rate1", attack + draw.uniform(-8, 8))
            draw.put(f"op{i}.rate2", own)
            draw.put(f"op{i}.rate3", own - draw.uniform(0, 20))
            draw.put(f"op{i}.rate4", draw.uniform(40, 75))
            draw.put(f"op{i}.level2", torch.where(held, draw.uniform(75, 99), draw.uniform(40, 90)))
            draw.put(f"op{i}.level3", torch.where(held, draw.uniform(70, 99), draw.uniform(0, 40)))
            draw.put(f"op{i}.output_level", draw.sometimes(0.3, draw.uniform(0, 40), draw.uniform(50, 99)))
            draw.put(f"op{i}.coarse", draw.pick((0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 7.0)))
            draw.put(f"op{i}.fine", draw.sometimes(0.2, draw.uniform(0, 99), 0.0))
            draw.put(f"op{i}.detune", draw.sometimes(0.3, draw.uniform(4, 10).round(), 7.0))
        drop = draw.uniform() < 0.25
        draw.put("pitch.level4", torch.where(drop, draw.uniform(50, 85), torch.full((batch, 1), 50.0)))
        draw.put("pitch.rate1", draw.uniform(50, 99))
        for k in (1, 2, 3):
            draw.put(f"pitch.level{k}", torch.full((batch, 1), 50.0))
        return draw.positions


def _velocity_steps(sensitivity: torch.Tensor, velocity: int | torch.Tensor) -> torch.Tensor:
    """Added to an operator's level, 3/8 dB each; floored, with slope 1."""
    loudness = panel.VELOCITY[torch.as_tensor(velocity).clamp(0, MAX_VELOCITY) >> 1] - 239
    return floor((sensitivity * loudness.to(sensitivity.device) + 7) / 8)


def _steps(octaves: torch.Tensor, rate: int) -> torch.Tensor:
    """log2 Hz in units of 2^-24 → phase steps a sample by the engine's interpolated table; slope by the law 2^x."""
    with torch.no_grad():
        table = torch.from_numpy(tables.frequency_table(rate)).to(octaves.device)
        whole = octaves.round().long()
        index, low = (whole & 0xFFFFFF) >> 14, whole & 0x3FFF
        y = table[index] + ((table[index + 1] - table[index]) * low >> 14)
        shift = 20 - (whole >> 24)
        # above 2^20 Hz the engine shifts everything out, and the operator stands still
        exact = torch.where(shift >= 0, y >> shift.clamp(0, 62), 0).double()
    return exact + exact * (math.log(2) / 2**24) * (octaves - octaves.detach())
