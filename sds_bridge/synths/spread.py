"""Random sounds spread over what a synth can do, as starts to choose from.

Uniform positions would mostly be noise and drones. Each synth instead draws its values as a sound designer would:
ratios from those that are used, envelopes that belong together, most of the modulation off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from sds_bridge.synths.parameters import Parameter


class Spread:
    """Draws columns ``[batch, 1]``, all from one generator, and turns them into positions.

    Args:
        declared: the synth's parameters.
        batch: how many sounds.
        seed: makes the same ones again.
    """

    def __init__(self, declared: list[Parameter], batch: int, seed: int) -> None:
        self.batch = batch
        self._declared = {p.name: p for p in declared}
        self._generator = torch.Generator().manual_seed(seed)
        self.positions = {p.name: torch.full((batch, p.size), p.to_position(p.default)) for p in declared}

    def uniform(self, low: float = 0.0, high: float = 1.0, size: int = 1) -> torch.Tensor:
        return low + (high - low) * torch.rand(self.batch, size, generator=self._generator)

    def log_uniform(self, low: float, high: float) -> torch.Tensor:
        return torch.exp(self.uniform(math.log(low), math.log(high)))

    def normal(self, size: int) -> torch.Tensor:
        return torch.randn(self.batch, size, generator=self._generator)

    def pick(self, options: Sequence[float]) -> torch.Tensor:
        """One of the options each; one that stands there twice comes twice as often."""
        return torch.tensor(options)[torch.randint(len(options), (self.batch, 1), generator=self._generator)]

    def sometimes(self, probability: float, then: torch.Tensor, otherwise: torch.Tensor | float) -> torch.Tensor:
        other = otherwise if isinstance(otherwise, torch.Tensor) else torch.full_like(then, otherwise)
        return torch.where(self.uniform() < probability, then, other)

    def put(self, name: str, values: torch.Tensor) -> None:
        """Set a parameter by its values in its unit."""
        p = self._declared[name]
        found = [[p.to_position(float(v)) for v in row] for row in values]
        self.positions[name] = torch.tensor(found).expand(self.batch, p.size).clone()

    def place(self, name: str, positions: torch.Tensor) -> None:
        """Set a parameter by positions 0…1."""
        size = self._declared[name].size
        self.positions[name] = positions.expand(self.batch, size).clamp(0, 1).clone()
