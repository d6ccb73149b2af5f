"""The DX7's 32 algorithms: who modulates whom, who sounds, who feeds back.

A row has one word per operator 1…6, naming the operators that it modulates, 0 for the output; the last word is
the feedback's source and target. Algorithms 4 and 6 feed back around a chain, all others around one operator.

Reference: the chart on the DX7's panel.
"""

from __future__ import annotations

from dataclasses import dataclass

_CHART = """
0 1 0 3 4 5 66
0 1 0 3 4 5 22
0 1 2 0 4 5 66
0 1 2 0 4 5 46
0 1 0 3 0 5 66
0 1 0 3 0 5 56
0 1 0 3 3 5 66
0 1 0 3 3 5 44
0 1 0 3 3 5 22
0 1 2 0 4 4 33
0 1 2 0 4 4 66
0 1 0 3 3 3 22
0 1 0 3 3 3 66
0 1 0 3 4 4 66
0 1 0 3 4 4 22
0 1 1 3 1 5 66
0 1 1 3 1 5 22
0 1 1 1 4 5 33
0 1 2 0 0 45 66
0 0 12 0 4 4 33
0 0 12 0 0 45 33
0 1 0 0 0 345 66
0 0 2 0 0 45 66
0 0 0 0 0 345 66
0 0 0 0 0 45 66
0 0 2 0 4 4 66
0 0 2 0 4 4 33
0 1 0 3 4 0 55
0 0 0 3 0 5 66
0 0 0 3 4 0 55
0 0 0 0 0 5 66
0 0 0 0 0 0 66
"""


@dataclass(frozen=True)
class Algorithm:
    """One algorithm; operators are counted from 0.

    Args:
        number: 1…32, as on the panel.
        targets: for each operator the operators that it modulates; none for a carrier.
        feedback: source and target of the feedback.
    """

    number: int
    targets: tuple[tuple[int, ...], ...]
    feedback: tuple[int, int]

    @property
    def carriers(self) -> tuple[int, ...]:
        """Operators that sound; on a DX7 they modulate nothing."""
        return tuple(op for op, targets in enumerate(self.targets) if not targets)

    def modulators(self, target: int) -> tuple[int, ...]:
        """Operators that modulate ``target``, feedback aside."""
        return tuple(op for op, targets in enumerate(self.targets) if target in targets)


def _read(number: int, row: str) -> Algorithm:
    *words, loop = row.split()
    targets = tuple(tuple(int(c) - 1 for c in word if c != "0") for word in words)
    return Algorithm(number, targets, (int(loop[0]) - 1, int(loop[1]) - 1))


ALGORITHMS = tuple(_read(number, row) for number, row in enumerate(_CHART.split("\n")[1:-1], start=1))
