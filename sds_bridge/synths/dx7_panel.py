"""The DX7's panel: whole numbers with slopes, tables of them, and all 145 as one tensor.

Tunes run through here at every step, so each number is rounded and looked up with its operators' and its batch's
others, not by itself.
"""

from __future__ import annotations

import numpy as np
import torch

from sds_bridge.synths import dx7_tables as tables
from sds_bridge.synths.base import Values
from sds_bridge.synths.dx7_parameters import OPERATORS, dx7_parameters, operator_parameters, voice_parameters

NAMES = [p.name for p in dx7_parameters()]
_OF_OPERATOR = {p.name.partition(".")[2]: k for k, p in enumerate(operator_parameters(1))}
_OF_VOICE = {p.name: OPERATORS * len(_OF_OPERATOR) + k for k, p in enumerate(voice_parameters())}


def floor(x: torch.Tensor) -> torch.Tensor:
    """⌊x⌋ with slope 1."""
    return x + (x.floor() - x).detach()


def nearest(x: torch.Tensor) -> torch.Tensor:
    """x rounded, with slope 1."""
    return x + (x.round() - x).detach()


class Table:
    """``table[x]`` at whole ``x``, with the slope of the line through the neighbours; float64."""

    def __init__(self, values: np.ndarray) -> None:
        at = np.arange(len(values))
        below, above = np.maximum(at - 1, 0), np.minimum(at + 1, len(values) - 1)
        self.values = torch.from_numpy(np.asarray(values, np.float64))
        self.slopes = torch.from_numpy((values[above] - values[below]) / (above - below))

    def __len__(self) -> int:
        return len(self.values)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        at = x.detach().round().long().clamp(0, len(self) - 1)
        values, slopes = self.values.to(x.device), self.slopes.to(x.device)
        return values[at] + slopes[at] * (x - x.detach())


LEVEL = Table(tables.LEVEL)
VELOCITY = torch.from_numpy(tables.VELOCITY)
KEY_CURVE = Table(tables.KEY_CURVE)
PITCH_LEVEL = Table(tables.PITCH_LEVEL)
PITCH_RATE = Table(tables.PITCH_RATE)
PITCH_SENSITIVITY = Table(tables.PITCH_SENSITIVITY)
AMPLITUDE_SENSITIVITY = Table(tables.AMPLITUDE_SENSITIVITY)
STATIC_SAMPLES = Table(tables.STATIC_SAMPLES)
ENVELOPE_STEP = Table(tables.ENVELOPE_STEP)
COARSE = Table(tables.COARSE)
FINE = Table(tables.FINE)
LFO_HZ = Table(tables.LFO_HZ)
LFO_WAIT, LFO_FADE = (Table(t) for t in tables.lfo_delay_steps())
FEEDBACK = Table(tables.FEEDBACK)


class Panel:
    """A batch's values, rounded: ``voice`` and ``operators`` name columns of one float64 tensor."""

    def __init__(self, values: Values) -> None:
        self._all = nearest(torch.cat([values[name] for name in NAMES], 1).double())
        # operator 6 comes first
        operators = self._all[:, : OPERATORS * len(_OF_OPERATOR)]
        self._operators = operators.unflatten(1, (OPERATORS, len(_OF_OPERATOR))).flip(1)

    def voice(self, name: str) -> torch.Tensor:
        """One parameter of the voice, ``[B]``."""
        return self._all[:, _OF_VOICE[name]]

    def voice_stages(self, name: str) -> torch.Tensor:
        """Stages 1…4 of ``pitch.rate`` or ``pitch.level``, ``[B, 4]``."""
        first = _OF_VOICE[f"{name}1"]
        return self._all[:, first : first + 4]

    def operators(self, name: str) -> torch.Tensor:
        """Operators 1…6 of one parameter, ``[B, 6]``."""
        return self._operators[..., _OF_OPERATOR[name]]

    def operator_stages(self, name: str) -> torch.Tensor:
        """Stages 1…4 of ``rate`` or ``level``, ``[B, 6, 4]``."""
        first = _OF_OPERATOR[f"{name}1"]
        return self._operators[..., first : first + 4]
