"""Which of an FM chip's algorithms comes nearest to a modulation matrix, and which operator goes where.

Our matrix may hold any path; an algorithm is a tree (a few share a modulator among carriers) with one feedback
loop, and its carriers modulate nothing. So the matrix is unrolled from its carriers down: an operator that both
sounds and modulates is copied, and a cycle becomes a chain that ends where the algorithm does.

What a path is worth is the part of its target's energy that it moves into sidebands, 1 − J0(β)², with β the
index averaged over the envelopes. A placed operator is worth the product over its paths of 1 − worth for one that
is missing, and of 1 − worth · (1 − worth of the modulator as placed) for one that is there. The best algorithm
keeps most of Σ carrier energy · worth. All are searched; ties go to fewer operators, then to the lower number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from sds_bridge.formats.fm_shape import SIXTY_DB, Array, Shape
from sds_bridge.synths.dx7_algorithms import Algorithm

AUDIBLE_INDEX = 0.02  # sidebands at −40 dB
AUDIBLE_ENERGY = 1e-5  # −50 dB
PRESENT = 0.1  # worth of a carrier that sounds at all, however wrongly
OUTPUT = -1
HOLD = 1.0  # seconds of a held note over which paths and carriers are weighed
_ANGLES = np.sin((np.arange(32) + 0.5) * math.pi / 32)


@lru_cache(maxsize=4096)
def worth(index: float) -> float:
    """Energy that phase modulation by ``index`` rad moves into sidebands, 0…1.

    Beyond 2 rad, where J0 starts to swing, it keeps growing towards 1, so that of two strong paths the stronger wins.
    """
    kept = float(np.mean(np.cos(min(index, 2.0) * _ANGLES))) ** 2
    return 1.0 - kept * math.exp(min(0.0, 1.0 - index / 2))


@dataclass(frozen=True)
class Wish:
    """What shall be played by N operators, counted from 0.

    Args:
        matrix: ``[N, N]`` peak index in rad of row's modulation by column.
        factor: ``[N, N]`` index averaged over the envelopes, over its peak.
        energy: ``[N]`` share of the output's energy; sums to 1, or all 0.
        amplitude: ``[N]`` in the output, the loudest 1.
    """

    matrix: Array
    factor: Array
    energy: Array
    amplitude: Array

    def audible(self, to: int, by: int) -> float:
        """Averaged index in rad, 0 if nobody would hear it."""
        return self._audible[to][by]

    @cached_property
    def _audible(self) -> list[list[float]]:
        index = self.matrix * self.factor
        found: list[list[float]] = np.where(index >= AUDIBLE_INDEX, index, 0.0).tolist()
        return found


@dataclass(frozen=True)
class Machine:
    """What an FM chip offers.

    Args:
        algorithms: in the order of their numbers; the last one has the most carriers.
        full_index: rad by which an operator at full level moves another's phase.
        full_feedback: algorithm number → the same of the strongest feedback.
    """

    algorithms: tuple[Algorithm, ...]
    full_index: float
    full_feedback: Callable[[int], float]


@dataclass(frozen=True)
class Slot:
    """One operator of the chip: ``source`` is our operator, ``level`` its amplitude over full level, 0…1."""

    source: int
    level: float


@dataclass(frozen=True)
class Routing:
    """The choice. ``slots`` maps the chip's operators, from 0, to ours; ``feedback`` is the looped slot, or None."""

    algorithm: Algorithm
    slots: dict[int, Slot]
    feedback: int | None
    score: float

    def paths(self) -> set[tuple[int, int, int]]:
        """(slot, our target, our modulator) for every path that is there, feedback included."""
        found = set()
        for by, slot in self.slots.items():
            for to in self.algorithm.targets[by]:
                if to in self.slots:
                    found.add((to, self.slots[to].source, slot.source))
        if self.feedback is not None:
            source = self.slots[self.feedback].source
            found.add((self.feedback, source, source))
        return found


_Placed = tuple[float, dict[int, Slot], bool]


def route(wish: Wish, machine: Machine) -> Routing:
    """The best algorithm and assignment; without any energy, the last algorithm with nothing in it."""
    best = Routing(machine.algorithms[-1], {}, None, -1.0)
    if not wish.energy.any():
        return best
    for algorithm in machine.algorithms:
        shared = [slot for slot, targets in enumerate(algorithm.targets) if len(targets) > 1]
        for chosen in itertools.product(list(_shareable(wish, machine)), repeat=len(shared)):
            given = {slot: choice for slot, choice in zip(shared, chosen, strict=True) if choice is not None}
            found = _Search(wish, machine, algorithm, given).run()
            if found.score > best.score + 1e-9:
                best = found
    return best


def _shareable(wish: Wish, machine: Machine) -> Iterator[Slot | None]:
    """What a modulator of several carriers could be: our operator, at what one of the two strongest asks for."""
    yield None
    for by in range(len(wish.energy)):
        targets = [
            to for to in np.argsort(-wish.energy, kind="stable") if wish.energy[to] and wish.audible(int(to), by)
        ]
        if len(targets) > 1:
            for index in sorted({float(wish.matrix[to, by]) for to in targets[:2]}):
                yield Slot(by, index / machine.full_index)


def _value(placed: _Placed) -> float:
    """Worth, a millionth less for every operator taken."""
    return placed[0] - 1e-6 * len(placed[1])


class _Search:
    """The best assignment for one algorithm, its shared modulators given."""

    def __init__(self, wish: Wish, machine: Machine, algorithm: Algorithm, given: dict[int, Slot]) -> None:
        self.wish = wish
        self.algorithm = algorithm
        self.given = given
        loop, target = algorithm.feedback
        self.loop = loop if loop == target else None
        self.full_index = machine.full_index
        self.full_feedback = machine.full_feedback(algorithm.number)
        self.placed: dict[tuple[int, int, int], _Placed] = {}

    def run(self) -> Routing:
        """Distinct operators onto the carriers, by dynamic programming over the set already used."""
        table: dict[int, _Placed] = {0: (0.0, {}, False)}
        for carrier in self.algorithm.carriers:
            grown = dict(table)
            for used, (score, slots, looped) in table.items():
                for op in np.flatnonzero(self.wish.energy):
                    bit = 1 << int(op)
                    if used & bit:
                        continue
                    value, added, loops = self.place(carrier, int(op), OUTPUT)
                    gained = float(self.wish.energy[op]) * (PRESENT + (1 - PRESENT) * value)
                    found = (score + gained, {**slots, **added}, looped or loops)
                    if used | bit not in grown or _value(found) > _value(grown[used | bit]) + 1e-12:
                        grown[used | bit] = found
            table = grown
        best = max(table.values(), key=_value)
        return Routing(self.algorithm, best[1], self.loop if best[2] else None, _value(best))

    def place(self, slot: int, op: int, parent: int) -> _Placed:
        """Worth of our ``op`` in ``slot`` under our ``parent``, what is below it, and whether feedback is used."""
        key = (slot, op, parent)
        if key not in self.placed:
            wish = self.wish
            level = float(wish.amplitude[op] if parent == OUTPUT else wish.matrix[parent, op] / self.full_index)
            self.placed[key] = self._fill(slot, op, Slot(op, level))
        return self.placed[key]

    def _fill(self, slot: int, op: int, itself: Slot) -> _Placed:
        wish = self.wish
        wanted = {by: wish.audible(op, by) for by in range(len(wish.energy)) if wish.audible(op, by)}
        value, below, looped = 1.0, {slot: itself}, False
        if slot == self.loop and op in wanted:
            short = max(0.0, float(wish.matrix[op, op]) - self.full_feedback * itself.level)
            value, looped = value * (1 - worth(short)), True
            del wanted[op]
        free = []
        for child in self.algorithm.modulators(slot):
            if len(self.algorithm.targets[child]) == 1:
                free.append(child)
            elif child in self.given:
                shared = self.given[child]
                wanted.pop(shared.source, None)
                wrong = abs(float(wish.matrix[op, shared.source]) - shared.level * self.full_index)
                quality, leaves, loops = self._fill(child, shared.source, shared)
                part = worth(wish.audible(op, shared.source))
                value *= (1 - worth(wrong * float(wish.factor[op, shared.source]))) * (1 - part * (1 - quality))
                below, looped = {**below, **leaves}, looped or loops
        best: _Placed = (-1.0, {}, False)
        choices = [*wanted, *[None] * len(free)]
        for pick in dict.fromkeys(itertools.permutations(choices, len(free))):
            quality, slots, loops = 1.0, dict(below), looped
            for by, index in wanted.items():
                if by not in pick:
                    quality *= 1 - worth(index)
            for child, chosen in zip(free, pick, strict=True):
                if chosen is not None:
                    inner, leaves, deeper = self.place(child, chosen, op)
                    quality *= 1 - worth(wanted[chosen]) * (1 - inner)
                    slots, loops = {**slots, **leaves}, loops or deeper
            if value * quality - 1e-9 * len(slots) > best[0] - 1e-9 * len(best[1]):
                best = (value * quality, slots, loops)
        return best


def wish_of(one: dict[str, float], shapes: list[Shape]) -> Wish:
    """A patch's matrix and carriers, weighed over a note held for :data:`HOLD` seconds and its release."""
    n = len(shapes)
    time = np.linspace(0.0, 2 * HOLD, 401)
    curves = np.stack(
        [s.held(np.minimum(time, HOLD)) * np.exp(-SIXTY_DB * np.maximum(time - HOLD, 0) / s.release) for s in shapes]
    )
    power = curves**2
    matrix = np.array([[one[f"matrix.{to}.{by}"] for by in range(1, n + 1)] for to in range(1, n + 1)])
    factor = np.sqrt(power @ power.T / power.sum(axis=1, keepdims=True))
    level = np.array([one[f"op{i}.level"] for i in range(1, n + 1)])
    energy = level**2 * power.mean(axis=1)
    energy[energy < AUDIBLE_ENERGY * max(float(energy.sum()), 1e-12)] = 0.0
    total, loudest = float(energy.sum()), float(level[energy > 0].max(initial=0.0))
    return Wish(matrix, factor, energy / (total or 1.0), level / (loudest or 1.0))


def lacking(one: dict[str, float], wish: Wish, routing: Routing) -> dict[str, dict[str, float]]:
    """What a voice so routed hasn't, in plain words, each as the patch's values without it.

    ``one`` are the patch's values by name. Paths and carriers count where they are audible.
    """
    found: dict[str, dict[str, float]] = {}
    if one["noise.level"] > 0:
        found["noise"] = {"noise.level": 0.0}
    if one["reverb.send"] > 0:
        found["the room"] = {"reverb.send": 0.0}
    carriers = {routing.slots[s].source for s in routing.algorithm.carriers if s in routing.slots}
    silent = [op for op, share in enumerate(wish.energy) if share and op not in carriers]
    if silent:
        title = f"the own sound of operator {' and '.join(str(op + 1) for op in silent)}"
        found[title] = {f"op{op + 1}.level": 0.0 for op in silent}
    there = {(to, by) for _, to, by in routing.paths()}
    used = {placed.source for placed in routing.slots.values()}
    ops = range(len(wish.energy))
    paths = [(to, by) for to in used for by in ops if wish.matrix[to, by] > 0 and (to, by) not in there]
    if paths:
        found[f"{len(paths)} of the matrix' paths"] = {f"matrix.{to + 1}.{by + 1}": 0.0 for to, by in paths}
    return found


def at_full_level(routing: Routing) -> Routing:
    """The loudest carrier that found a place at 1."""
    carriers = [slot for slot in routing.slots if slot in routing.algorithm.carriers]
    loudest = max((routing.slots[slot].level for slot in carriers), default=1.0)
    louder = {slot: replace(routing.slots[slot], level=routing.slots[slot].level / loudest) for slot in carriers}
    return replace(routing, slots={**routing.slots, **louder})
