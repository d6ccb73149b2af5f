"""An FM patch's matrix, unrolled into the sines that :mod:`sds_bridge.synths.fm` adds up, for formats that hold code.

The synth sweeps y ← e · sin(φ + A·y) from y = 0, N + ``FEEDBACK_SWEEPS`` times a sample. Node (i, k) is operator i
after sweep k; its inputs are the nodes (j, k − 1) with A_ij ≠ 0. A node whose inputs are those of the sweep before
is that sweep's node, so a matrix without cycles gives one node an operator, and what no output needs is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from sds_bridge.synths.fm_parameters import FEEDBACK_SWEEPS

Matrix = list[list[float]]


@dataclass(frozen=True)
class Node:
    """One sine. ``operator`` counts from 1; ``inputs`` are (radians, number of an earlier node)."""

    operator: int
    inputs: tuple[tuple[float, int], ...]


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
