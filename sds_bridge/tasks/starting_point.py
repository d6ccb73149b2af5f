"""Where a tune starts: of many sounds that the synth can make, the one that the prompt explains best.

Gradient descent on a synth ends near where it began: no gradient leads from a pluck to a held note, or to another
harmonic. So sounds spread over the synth's range are heard by the prior first (``distillation/evidence.py``), all with
a few draws and the best with more. A synth with algorithms, which have no slope at all, then tries the best sounds of
several for a few steps each. (Without algorithms such a trial chose worse by an outside embedding than the evidence
of the starts.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sds_bridge.distillation.evidence import Draws, draw, evidence
from sds_bridge.distillation.loop import Checkpoint, Tensors, step_generator
from sds_bridge.distillation.optimise import Run, optimise
from sds_bridge.distillation.profiles import Settings
from sds_bridge.priors.base import Condition
from sds_bridge.tasks.requests import Progress, Report, ShouldStop
from sds_bridge.tasks.stage import Stage

FIRST_DRAWS, DRAWS, FINAL_DRAWS = 8, 32, 64
SHORT_LIST = 16
FINALISTS = 4
TRIAL_STEPS = 8
LOOKS = 6
_TOGETHER = 8


@dataclass(frozen=True)
class Judge:
    """Evidence of a prompt in sounds of one stage, all with the same draws."""

    stage: Stage
    settings: Settings
    prompt: Condition
    without: Condition

    def draws(self, count: int, seed: int, stream: int) -> Draws:
        """``stream`` numbers independent sets of draws of one seed."""
        frames = round(self.stage.seconds * self.stage.prior.sample_rate / self.stage.prior.hop_length)
        shape = torch.Size([self.stage.prior.latent_channels, frames])
        return draw(count, shape, self.settings.judged_low, self.settings.high, step_generator(seed, -stream))

    @torch.no_grad()
    def latents(self, positions: Tensors) -> torch.Tensor:
        """``[B, C, L]``, rendered a few at a time."""
        size = len(next(iter(positions.values())))
        return torch.cat(
            [
                self.stage.prior.encode(self.stage.for_prior(rows(positions, range(i, min(i + _TOGETHER, size)))))
                for i in range(0, size, _TOGETHER)
            ]
        )

    def __call__(self, latents: torch.Tensor, draws: Draws) -> float:
        return evidence(self.stage.prior, latents[None], self.prompt, self.without, draws)


def rows(positions: Tensors, which: range | list[int]) -> Tensors:
    """Some rows of a batch of positions."""
    return {name: value[list(which)] for name, value in positions.items()}


def best_start(
    judge: Judge, default: Tensors, kept: frozenset[str], plan: Run, report: Report, should_stop: ShouldStop
) -> Tensors | None:
    """The best start by the prior's evidence; ``default`` is among the candidates. None after a stop.

    Args:
        kept: names that are in every candidate as in ``default``.
        plan: of the tune, for the trials.
    """
    settings = judge.settings
    varied = judge.stage.synth.varied_positions(settings.candidates, plan.seed)
    pool = {
        name: torch.cat([value, value.expand_as(varied[name]) if name in kept else varied[name]])
        for name, value in default.items()
    }
    size = settings.candidates + 1
    draws = judge.draws(DRAWS, plan.seed, 1)
    tell = _teller(report, settings.steps, size + SHORT_LIST)
    scores: list[float] = []
    latents = []
    for begin in range(0, size, _TOGETHER):
        heard = judge.latents(rows(pool, range(begin, min(begin + _TOGETHER, size))))
        latents += list(heard)
        for one in heard:
            if should_stop():
                return None
            scores.append(judge(one, draws[:FIRST_DRAWS]))
        tell(len(scores))
    short = sorted(range(size), key=lambda i: -scores[i])[:SHORT_LIST]
    closer = {}
    for done, i in enumerate(short, 1):
        if should_stop():
            return None
        rest = judge(latents[i], draws[FIRST_DRAWS:])
        closer[i] = (scores[i] * FIRST_DRAWS + rest * (DRAWS - FIRST_DRAWS)) / DRAWS
        tell(size + done)
    ranked = sorted(short, key=lambda i: -closer[i])
    if "algorithm" in pool and "algorithm" not in kept:
        return _trial(judge, pool, ranked, plan, should_stop)
    return rows(pool, ranked[:1])


def _trial(judge: Judge, pool: Tensors, ranked: list[int], plan: Run, should_stop: ShouldStop) -> Tensors | None:
    """A few steps from the best of each algorithm, all with the same draws; the start whose result has most evidence."""
    finalists: dict[float, int] = {}
    for i in ranked:
        finalists.setdefault(float(pool["algorithm"][i, 0]), i)
    draws = judge.draws(DRAWS, plan.seed, 2)
    best: tuple[float, int] | None = None
    for i in list(finalists.values())[:FINALISTS]:
        short = replace(plan, start=rows(pool, [i]), steps=min(TRIAL_STEPS, plan.steps), checkpoint=None)
        outcome = optimise(short, lambda *_: None, should_stop)
        if outcome.stopped:
            return None
        score = judge(judge.latents(outcome.values)[0], draws)
        if best is None or score > best[0]:
            best = score, i
    assert best is not None
    return rows(pool, [best[1]])


def found_before(folder: Path, identity: str, default: Tensors, look: Callable[[], Tensors | None]) -> Tensors | None:
    """``look()``, or what it found before this run was cut off; kept beside the tune's own checkpoint."""
    file = Checkpoint(folder / ".start.safetensors", identity)
    state = {name: value.clone() for name, value in default.items()}
    if file.load(state):
        return state
    start = look()
    if start is not None:
        file.save(start, [0.0])
    return start


def best_step(
    judge: Judge, positions: Callable[[int], Tensors], steps: int, first: int, seed: int, report: Report
) -> int:
    """The step, of some from ``first`` to the last, whose sound has the most evidence under draws of its own."""
    draws = judge.draws(FINAL_DRAWS, seed, 3)
    asked = sorted({max(first, round(steps * k / LOOKS)) for k in range(LOOKS + 1)})
    scores: list[tuple[float, int]] = []
    began = time.monotonic()
    for done, step in enumerate(asked, 1):
        scores.append((judge(judge.latents(positions(step))[0], draws), step))
        left = (time.monotonic() - began) / done * (len(asked) - done)
        report(Progress(steps, steps, 0.0, left, doing=f"choosing a step, {done} of {len(asked)}"))
    return max(scores)[1]


def _teller(report: Report, steps: int, total: int) -> Callable[[int], None]:
    began = time.monotonic()

    def tell(done: int) -> None:
        left = (time.monotonic() - began) / done * (total - done)
        report(Progress(0, steps, 0.0, left, doing=f"choosing a start, {done} of {total}"))

    return tell
