"""The matrix unrolled: as few sines as the sound needs, and never another sound."""

import numpy as np
import pytest

from sds_bridge.formats.fm_graph import unroll
from sds_bridge.synths.fm_parameters import FEEDBACK_SWEEPS


def sweeps(matrix: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """As the synth does."""
    out = np.zeros(len(matrix))
    for _ in range(len(matrix) + FEEDBACK_SWEEPS):
        out = np.sin(phases + matrix @ out)
    return out


def test_a_chain_needs_one_sine_an_operator():
    nodes, last = unroll([[0, 1, 0], [0, 0, 2], [0, 0, 0]], [1])
    assert len(nodes) == 3
    assert nodes[last[1]].operator == 1


def test_what_is_not_heard_is_left_out():
    nodes, _ = unroll([[0, 0], [1, 0]], [1])
    assert [node.operator for node in nodes] == [1]


@pytest.mark.parametrize("seed", range(5))
def test_any_matrix_gives_the_sweeps(seed):
    random = np.random.default_rng(seed)
    count = 2 + seed
    matrix = random.uniform(0, 2, (count, count)) * (random.random((count, count)) < 0.5)
    phases = random.uniform(0, 6, count)
    nodes, last = unroll(matrix.tolist(), list(range(1, count + 1)))
    values: list[float] = []
    for node in nodes:
        values.append(np.sin(phases[node.operator - 1] + sum(index * values[by] for index, by in node.inputs)))
    assert [values[last[i]] for i in range(1, count + 1)] == pytest.approx(sweeps(matrix, phases).tolist())
