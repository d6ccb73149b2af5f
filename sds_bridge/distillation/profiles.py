"""Settings of a distillation run, by name. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from sds_bridge.distillation.timesteps import Schedule
    from sds_bridge.distillation.update import Update


@dataclass(frozen=True)
class Settings:
    """Args:
    steps: optimisation steps.
    batch: (t, ε) draws that one render and one encoding are used for.
    learning_rate: Adam's, on positions 0…1.
    guidance: the paper's τ.
    rescale: 0…1, see ``guidance.mix``.
    denoising_steps: K of the DDIM.
    low, high: range of t.
    focus: how far targets near the render count for more, see ``update.nearness``.
    reach: longest step of the classifier update, see ``update.classifier_target``.
    candidates: sounds of the synth among which the start is chosen (``tasks/starting_point.py``); 0 for none.
    judged_low: lowest t of the draws by which sounds are compared; the highest is ``high``.
    keep_best: whether the patch is the step that the prior finds best, or the last one.
    """

    steps: int
    batch: int
    learning_rate: float
    guidance: float
    rescale: float
    denoising_steps: int
    schedule: Schedule
    low: float
    high: float
    update: Update
    log_weight: float
    focus: float = 0.0
    reach: float = 0.6
    candidates: int = 0
    judged_low: float = 0.8
    keep_best: bool = False


Kind = TypeVar("Kind", bound="DataclassInstance")


def with_given(settings: Kind, **given: int | float | None) -> Kind:
    """Settings with what the user gave in place; ``None`` keeps the profile's value."""
    return replace(settings, **{k: v for k, v in given.items() if v is not None})


PROFILES = {
    # for a CPU and a minute
    "draft": Settings(
        steps=50,
        batch=8,
        learning_rate=1e-2,
        guidance=40.0,
        rescale=0.0,
        denoising_steps=1,
        schedule="annealed",
        # the starter's latents keep level and envelope up to t = 0.9; a prompt acts above that
        low=0.85,
        high=0.99,
        update="classifier",
        log_weight=0.2,
        candidates=96,
        keep_best=True,
    ),
    # the paper's FM setting: 1000 × 8, lr 5e-3, τ 15
    "paper": Settings(
        steps=1000,
        batch=8,
        learning_rate=5e-3,
        guidance=15.0,
        rescale=0.0,
        denoising_steps=10,
        schedule="uniform",
        low=0.025,
        high=0.875,
        update="multiscale",
        log_weight=0.0,
    ),
}
