"""A search over positions 0…1 that knows only how far each is from the goal: CMA-ES, scans and kicks.

Synths are rough to search: a frequency ratio is right or wrong, with no slope between, while envelopes and levels are
smooth once the ratios are right. So a descent alternates between a scan of every stepped parameter, all positions of
one after the other, and CMA-ES [1]_ on the smooth ones. When a descent ends, kicks follow: a run of neighbours in the
plug-in's list, which mostly belong together, is drawn anew, scanned and descended from; what is better stays.

References
----------
.. [1] N. Hansen: "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, in the package ``cma``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cma
import numpy as np

# with more positions a parameter is as good as smooth
MOST_SCANNED = 40
FIRST_DRAWS = 300
KICK_DRAWS = 48
KICK_WIDTH = (4, 12)
# a kick this close to the best, as a ratio, is worth polishing
WORTH_POLISHING = 1.15
KICKS_BEFORE_POLISH = 8
LEAST_SIGMA = 0.003

Score = Callable[[np.ndarray], np.ndarray]
Watch = Callable[["Search"], bool]


@dataclass
class Search:
    """One search.

    Args:
        score: positions ``[candidates, parameters]`` → distances ``[candidates]``.
        positions: how many each parameter has; 0 for any.
        stop: asked before each batch; ``best`` and ``evaluations`` tell it how far things are.
        seed: the same search again, if ``stop`` goes by evaluations and not by time.
    """

    score: Score
    positions: Sequence[int]
    stop: Watch
    seed: int = 0
    evaluations: int = 0
    best: float = np.inf
    at: np.ndarray = field(default_factory=lambda: np.zeros(0))
    trace: list[tuple[float, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps = np.array(self.positions)
        self._began = time.monotonic()
        self._rng = np.random.default_rng(self.seed)
        self._rough = np.flatnonzero((self._steps > 0) & (self._steps <= MOST_SCANNED))
        self._smooth = np.flatnonzero((self._steps == 0) | (self._steps > MOST_SCANNED))

    def run(self, start: np.ndarray) -> np.ndarray:
        """From ``start`` or, where that is nearer, the best of random candidates; returns the best positions found."""
        count = len(start)
        drawn = np.vstack([start, self._rng.random((FIRST_DRAWS, count))])
        distances = self._try(drawn)
        nearest = int(distances.argmin())
        x, distance = self._descend(self._snapped(drawn[nearest]), float(distances[nearest]))
        failed = 0
        while not self._over():
            y, found = self._kick(x, distance)
            failed = 0 if found < distance else failed + 1
            if found < distance:
                x, distance = y, found
            if failed and failed % KICKS_BEFORE_POLISH == 0:
                x, distance = self._evolve(x, distance, self._smooth, sigma=0.03, generations=25, patience=10)
        return self.at

    def _descend(self, x: np.ndarray, distance: float) -> tuple[np.ndarray, float]:
        sigma = 0.2
        while not self._over():
            before = distance
            x, distance = self._scan(x, distance, self._rng.permutation(self._rough))
            x, distance = self._evolve(x, distance, self._smooth, sigma=sigma, generations=30, patience=15)
            sigma = max(0.7 * sigma, 0.03)
            if distance > 0.97 * before:
                break
        return x, distance

    def _kick(self, x: np.ndarray, best: float) -> tuple[np.ndarray, float]:
        width = min(int(self._rng.integers(*KICK_WIDTH)), len(x))
        first = int(self._rng.integers(0, len(x) - width + 1))
        run = np.arange(first, first + width)
        drawn = np.repeat(x[None], KICK_DRAWS, 0)
        drawn[:, run] = self._rng.random((KICK_DRAWS, width))
        distances = self._try(drawn)
        nearest = int(distances.argmin())
        y, distance = self._snapped(drawn[nearest]), float(distances[nearest])
        y, distance = self._scan(y, distance, np.intersect1d(run, self._rough))
        smooth = np.intersect1d(run, self._smooth)
        y, distance = self._evolve(y, distance, smooth, sigma=0.15, generations=12, patience=5)
        if distance < WORTH_POLISHING * best:
            y, distance = self._evolve(y, distance, self._smooth, sigma=0.06, generations=20, patience=8)
        return y, distance

    def _scan(self, x: np.ndarray, distance: float, which: np.ndarray) -> tuple[np.ndarray, float]:
        """Each parameter in turn at the best of all its positions."""
        for i in which:
            if self._over():
                break
            row = np.repeat(x[None], self._steps[i], 0)
            row[:, i] = np.linspace(0, 1, self._steps[i])
            distances = self._try(row)
            if distances.min() < distance:
                x, distance = row[distances.argmin()], float(distances.min())
        return x, distance

    def _evolve(
        self, x: np.ndarray, distance: float, which: np.ndarray, *, sigma: float, generations: int, patience: int
    ) -> tuple[np.ndarray, float]:
        """CMA-ES on the parameters ``which``; ends early when nothing has improved by 0.5 % for ``patience``."""
        if len(which) < 2:
            return self._scan_smooth(x, distance, which)
        options = {"bounds": [0, 1], "verbose": -9, "seed": int(self._rng.integers(1, 2**31 - 1))}
        with warnings.catch_warnings():
            # a start on a bound, and a population that can't tell candidates apart, are as good as any
            warnings.simplefilter("ignore")
            strategy = cma.CMAEvolutionStrategy(x[which], sigma, options)
            found, best, improved = x, np.inf, 0
            for generation in range(generations):
                if self._over() or generation - improved > patience or strategy.sigma < LEAST_SIGMA:
                    break
                asked = np.array(strategy.ask())
                rows = np.repeat(x[None], len(asked), 0)
                rows[:, which] = asked
                distances = self._try(rows)
                strategy.tell(list(asked), distances.tolist())
                if distances.min() < 0.995 * best:
                    improved = generation
                best = min(best, float(distances.min()))
                if best < distance:
                    distance, found = best, self._snapped(rows[distances.argmin()])
        return found, distance

    def _scan_smooth(self, x: np.ndarray, distance: float, which: np.ndarray) -> tuple[np.ndarray, float]:
        for i in which:
            row = np.repeat(x[None], MOST_SCANNED, 0)
            row[:, i] = np.clip(x[i] + np.linspace(-0.2, 0.2, MOST_SCANNED), 0, 1)
            distances = self._try(row)
            if distances.min() < distance:
                x, distance = row[distances.argmin()], float(distances.min())
        return x, distance

    def _try(self, rows: np.ndarray) -> np.ndarray:
        rows = self._snapped(rows)
        distances = np.asarray(self.score(rows), float)
        distances = np.where(np.isnan(distances), np.inf, distances)  # of a plug-in that gave no numbers
        self.evaluations += len(rows)
        nearest = int(distances.argmin())
        if distances[nearest] < self.best or not len(self.at):
            self.best, self.at = float(distances[nearest]), rows[nearest]
            self.trace.append((round(time.monotonic() - self._began, 2), self.evaluations, self.best))
        return distances

    def _snapped(self, x: np.ndarray) -> np.ndarray:
        x = np.clip(x, 0, 1)
        stepped = self._steps > 1
        last = self._steps[stepped] - 1
        x[..., stepped] = np.round(x[..., stepped] * last) / last
        return x

    def _over(self) -> bool:
        return self.best == 0 or self.stop(self)
