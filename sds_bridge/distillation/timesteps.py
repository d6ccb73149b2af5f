"""How the noise time t is drawn at each step."""

from __future__ import annotations

from typing import Literal

import torch

Schedule = Literal["uniform", "stratified", "annealed"]


def draw(
    schedule: Schedule, count: int, low: float, high: float, progress: float, generator: torch.Generator
) -> torch.Tensor:
    """``count`` times in [low, high].

    Args:
        schedule: ``uniform``: independent; ``stratified``: one in each of ``count`` equal parts, in random
            order (CARV, arXiv 2605.21489); ``annealed``: stratified over a range whose top falls linearly
            from ``high`` to a quarter of the way up from ``low`` (DreamTime, arXiv 2306.12422).
        progress: share of the run that is done, 0…1.
    """
    u = torch.rand(count, generator=generator)
    if schedule == "uniform":
        return low + (high - low) * u
    u = (torch.randperm(count, generator=generator) + u) / count
    if schedule == "annealed":
        high = high - (high - low) * 0.75 * progress
    return low + (high - low) * u
