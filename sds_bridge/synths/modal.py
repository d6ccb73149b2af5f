"""The modal synth: damped sinusoids convolved with a band-noise room (Audio-SDS, section 4.2).

The object's impulse is Σ_m a_m · e^{−d_m t} · cos(2π f_m t) = Re Σ_m a_m · e^{s_m t}. With t = (q·R + r)/rate the
exponential factors into e^{s_m qR} · e^{s_m r}, so the sum over modes is a product of a [Q, M] and an [M, R]
matrix, Q·R = samples: memory grows with modes · (Q + R), never with modes · samples.
"""

from __future__ import annotations

import math

import torch

from sds_bridge.synths.base import Synth, Values, struck, velocity_gain
from sds_bridge.synths.envelope import SIXTY_DB, fall
from sds_bridge.synths.modal_parameters import DEFAULT_MODES, REVERB_BANDS_HZ, modal_parameters, mode_series
from sds_bridge.synths.noise import NoiseSource
from sds_bridge.synths.reverb import band_noise_room
from sds_bridge.synths.spread import Spread


def damped_sinusoids(
    frequency: torch.Tensor, decay: torch.Tensor, gain: torch.Tensor, samples: int, rate: int
) -> torch.Tensor:
    """Σ_m gain · 60 dB decay · cos(2π·frequency·t), ``[B, M]`` each → ``[B, samples]``.

    Modes at or above Nyquist are silent. Phases are reduced in float64: two seconds of 10 kHz are 20,000 cycles.
    """
    short = max(1, round(math.sqrt(samples)))
    long = -(-samples // short)
    gain = gain * (frequency < 0.5 * rate)

    def exponential(steps: torch.Tensor) -> torch.Tensor:
        seconds = steps / rate
        cycles = frequency.double()[..., None] * seconds.double()
        angle = ((cycles - cycles.detach().floor()) * (2 * math.pi)).float()
        size = torch.exp(-SIXTY_DB * seconds.float() / decay[..., None])
        return torch.polar(size, angle)

    index = torch.arange(short, device=frequency.device, dtype=torch.float64)
    inner = exponential(index) * gain[..., None]
    outer = exponential(torch.arange(long, device=frequency.device, dtype=torch.float64) * short)
    rows = outer.transpose(1, 2)
    # Re(a·b) = Re a · Re b − Im a · Im b, two real products
    block = rows.real @ inner.real - rows.imag @ inner.imag
    return block.flatten(1)[:, :samples]


class ModalSynth(Synth):
    """``modes`` damped sinusoids, contact noise and a room of seven bands."""

    name = "modal"
    holds = False

    def __init__(self, modes: int = DEFAULT_MODES) -> None:
        self.modes = modes
        self.settings = {"modes": modes}
        self.parameters = modal_parameters(modes)
        self.series = torch.tensor(mode_series(modes))
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
    ) -> torch.Tensor:
        """``hold`` has no effect: a struck object rings on after the key is up."""
        v = values
        samples = round(seconds * rate)
        device = v["gain"].device
        time = torch.arange(samples, device=device) / rate
        shift = 2.0 ** ((note - reference_note) / 12)
        series = self.series.to(device)[None] ** v["spread"]
        frequency = v["pitch"] * shift * series * torch.exp2(v["modes.residual"] / 12)
        body = damped_sinusoids(frequency, v["modes.decay"], v["modes.gain"], samples, rate)
        strike = v["strike.level"] * fall(time, v["strike.decay"])
        dry = body + strike * self._noise(samples, v["strike.tone"], rate, seed)
        return dry * v["gain"] * velocity_gain(velocity, v["velocity.amount"])

    def room(self, values: Values, samples: int, rate: int, seed: int) -> torch.Tensor:
        level, decay = values["reverb.level"], values["reverb.decay"]
        return band_noise_room(level, decay, REVERB_BANDS_HZ, samples, rate, seed + 1)

    def strike(self, values: Values, velocity: int) -> tuple[int, float]:
        return struck(velocity, values["velocity.amount"])

    def starting_positions(self, batch: int, seed: int) -> Values:
        """Equal modes, each a little off its place in the series, higher ones shorter and softer."""
        generator = torch.Generator().manual_seed(seed)
        positions = {p.name: torch.full((batch, p.size), p.to_position(p.default)) for p in self.parameters}
        slope = torch.linspace(0, 1, self.modes)
        positions["modes.gain"] = positions["modes.gain"] - 0.2 * slope
        positions["modes.decay"] = positions["modes.decay"] - 0.25 * slope
        positions["modes.residual"] = positions["modes.residual"] + 0.08 * torch.randn(
            batch, self.modes, generator=generator
        )
        for name in ("pitch", "modes.gain", "modes.decay", "strike.level", "reverb.level"):
            size = positions[name].shape[1]
            positions[name] = positions[name] + 0.04 * torch.randn(batch, size, generator=generator)
        return {name: value.clamp(0, 1) for name, value in positions.items()}

    def varied_positions(self, batch: int, seed: int) -> Values:
        """Bars, plates, membranes and vessels: in tune or not, dull or bright, damped or ringing, dry or in a room."""
        draw = Spread(self.parameters, batch, seed)
        slope = torch.linspace(0, 1, self.modes)
        draw.put("pitch", draw.log_uniform(50.0, 2000.0))
        draw.put("spread", draw.log_uniform(0.5, 1.6))
        off = draw.sometimes(0.3, draw.uniform(0.0, 0.0), draw.uniform(0.0, 0.15))
        draw.place("modes.residual", 0.5 + off * draw.normal(self.modes))
        decay, shorter = draw.uniform(0.2, 0.95), draw.uniform(0.0, 0.7)
        draw.place("modes.decay", decay - shorter * slope + 0.04 * draw.normal(self.modes))
        thinned = torch.where(draw.uniform(size=self.modes) < draw.uniform(0.1, 1.0), 0.0, -0.5)
        gain, duller = draw.uniform(0.35, 0.7), draw.uniform(0.0, 2.0)
        draw.place("modes.gain", gain - duller * slope + thinned + 0.05 * draw.normal(self.modes))
        draw.place("strike.level", draw.uniform(0.0, 0.7))
        draw.put("strike.decay", draw.log_uniform(0.005, 0.3))
        draw.put("strike.tone", draw.log_uniform(200.0, 12_000.0))
        draw.place("reverb.level", draw.sometimes(0.5, draw.uniform(0.0, 0.5), 0.02))
        draw.put("reverb.decay", draw.log_uniform(0.1, 2.0))
        return draw.positions
