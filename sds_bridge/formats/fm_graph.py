"""An FM patch's matrix, unrolled into the sines that :mod:`sds_bridge.synths.fm` adds up, for formats that hold code.

The synth sweeps y ← e · sin(φ + A·y) from y = 0, N + ``FEEDBACK_SWEEPS`` times a sample. Node (i, k) is operator i
after sweep k; its inputs are the nodes (j, k − 1) with A_ij ≠ 0. A node whose inputs are those of the sweep before
is that sweep's node, so a matrix without cycles gives one node an operator, and what no output needs is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from sds_bridge.patch import Patch
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, FEEDBACK_SWEEPS, NOISE_LEVEL, fm_parameters
from sds_bridge.synths.parameters import check

Matrix = list[list[float]]
INAUDIBLE = 1e-4
ANOTHER_NOISE = "noise is as loud and as coloured, but another random sequence"


@dataclass(frozen=True)
class Node:
    """One sine. ``operator`` counts from 1; ``inputs`` are (radians, number of an earlier node)."""

    operator: int
    inputs: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Noise:
    """Low-passed white noise: amplitude, seconds to fall 60 dB, corner in Hz."""

    level: float
    decay: float
    tone: float


@dataclass(frozen=True)
class Graph:
    """A patch as a format's code needs it.

    Args:
        one: values by name.
        sounding: operators that are heard, from 1.
        nodes: every sine, each after those that it needs; ``last`` has the one that each sounding operator ends in.
        noise: None where nobody would hear it.
        report: what the code can't hold, in plain words.
    """

    one: dict[str, float]
    sounding: list[int]
    nodes: list[Node]
    last: dict[int, int]
    noise: Noise | None
    report: list[str]

    @property
    def operators(self) -> list[int]:
        """Those that any node needs, from 1."""
        return sorted({node.operator for node in self.nodes})

    def ratio(self, operator: int) -> float:
        """Frequency over the note's, detune included."""
        return self.one[f"op{operator}.ratio"] * 2 ** (self.one[f"op{operator}.detune"] / 1200)

    def times(self, operator: int) -> str:
        """Attack, decay, sustain and release as arguments."""
        return ", ".join(
            f"{self.one[f'op{operator}.{stage}']:.7g}" for stage in ("attack", "decay", "sustain", "release")
        )


def graph_of(patch: Patch, instrument: str) -> Graph:
    """A patch of synth ``fm``, unrolled; ``instrument`` is what the format calls what it makes.

    Raises:
        PatchError: values that don't fit the synth.
    """
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    one = {name: value[0] for name, value in check(patch, fm_parameters(count)).items()}
    sounding = [i for i in range(1, count + 1) if one[f"op{i}.level"]]
    noise, report = None, []
    if one["noise.level"] > INAUDIBLE:
        noise = Noise(NOISE_LEVEL * one["noise.level"], one["noise.decay"], one["noise.tone"])
        report.append(ANOTHER_NOISE)
    if one["reverb.send"] > INAUDIBLE:
        report.append(f"room (send {one['reverb.send']:.2g}) dropped: add a reverb after the {instrument}")
    if not sounding:
        report.append("no operator reaches the output: only noise sounds")
    return Graph(one, sounding, *unroll(matrix_of(one, count), sounding), noise, report)


def unroll(matrix: Matrix, sounding: list[int]) -> tuple[list[Node], dict[int, int]]:
    """Nodes in an order in which each needs only earlier ones, and the last node of each sounding operator.

    Args:
        matrix: ``[N][N]``, radians by which the column's operator moves the row's phase.
        sounding: operators that are heard, from 1.
    """
    nodes: list[Node] = []
    numbers: dict[Node, int] = {}
    settled: dict[tuple[int, int], int] = {}

    def place(operator: int, sweep: int) -> int:
        if (operator, sweep) not in settled:
            row = matrix[operator - 1]
            by = [j for j, index in enumerate(row, 1) if index and sweep > 1]
            node = Node(operator, tuple((row[j - 1], place(j, sweep - 1)) for j in by))
            if node not in numbers:
                numbers[node] = len(nodes)
                nodes.append(node)
            settled[operator, sweep] = numbers[node]
        return settled[operator, sweep]

    last = len(matrix) + FEEDBACK_SWEEPS
    return nodes, {operator: place(operator, last) for operator in sounding}


def matrix_of(one: dict[str, float], operators: int) -> Matrix:
    """From a patch's values by name."""
    ops = range(1, operators + 1)
    return [[one[f"matrix.{to}.{by}"] for by in ops] for to in ops]
