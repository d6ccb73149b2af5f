"""What HARP is shown: a separation into so many stems, and a tune; their controls, and a request from their values.

The components are pyharp's dataclasses (TEAMuP-dev/pyharp, pyharp/core.py). HARP sends every input in their order, and
needs as many outputs as were declared, so that a model has a fixed number of stems.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sds_bridge.errors import InputError

MOST_STEMS = 4
SUGGESTED = ("saxophone", "traffic", "kick drum", "voice")


@dataclass(frozen=True)
class Model:
    """``stems`` is 0 for a tune."""

    name: str
    kind: Literal["separate", "tune"]
    stems: int = 0

    def controls(self) -> dict[str, Any]:
        """The card, the inputs and the outputs, as HARP's ``controls`` has them."""
        if self.kind == "tune":
            about = "Tunes a synth patch to words; this is its sound. The patch lies in the daemon's jobs folder."
            return self._card("SDS Bridge: tune", about, ["synthesis", "text-to-audio"]) | {
                "inputs": [
                    _text("What it should be", "as 'kick drum, bass, reverb'", "kick drum, bass, reverb"),
                    _choice("Synth", "which synth is tuned", ["fm", "modal", "dx7"]),
                    _number("Steps", "0 is the profile's own", 0, 100_000, 0),
                    _number("Candidates", "sounds among which the start is chosen; 0 takes a plain one", 0, 1000, 96),
                    _number("Seed", "the same seed makes the same patch again", 0, 2**31 - 1, 0),
                ],
                "outputs": [_track("Preview", "the patch at C3")],
            }
        about = "Stems that sum back to the clip, in its own rate, length, channels and bit depth."
        names = [f"Stem {i + 1}" for i in range(self.stems)]
        return self._card(f"SDS Bridge: separate into {self.stems}", about, ["source separation"]) | {
            "inputs": [
                _track("Clip", "what is to be separated"),
                *(_text(n, "what this source is", SUGGESTED[i]) for i, n in enumerate(names)),
                _number("Steps", "0 is the task's own", 0, 100_000, 0),
                _number("Seed", "the same seed makes the same stems again", 0, 2**31 - 1, 0),
            ],
            "outputs": [*(_track(n, "") for n in names), _track("Residual", "what no stem took")],
        }

    def request(self, data: Sequence[Any]) -> dict[str, Any]:
        """The fields of a request from the values of the inputs.

        Raises:
            InputError: too few or too many, or of the wrong kind.
        """
        inputs = self.controls()["inputs"]
        if len(data) != len(inputs):
            raise InputError(
                f"data: {len(data)} values; {self.name} takes {len(inputs)}. Load the model again in HARP."
            )
        named = {c["label"]: _value(c, v) for c, v in zip(inputs, data, strict=True)}
        counts = {"seed": named["Seed"]} | ({"steps": named["Steps"]} if named["Steps"] else {})
        if self.kind == "tune":
            words = {"prompt": named["What it should be"], "synth": named["Synth"]}
            return words | counts | {"candidates": named["Candidates"]}
        return {"clip": named["Clip"], "stems": [named[f"Stem {i + 1}"] for i in range(self.stems)], **counts}

    def results(self, files: Sequence[str]) -> list[str]:
        """The outputs among a job's files, in order."""
        if self.kind == "tune":
            return ["preview.wav"]
        stems = sorted(name for name in files if name[:2].isdecimal() and name.endswith(".wav") and "/" not in name)
        return [*stems[: self.stems], "residual.wav"]

    def _card(self, name: str, description: str, tags: list[str]) -> dict[str, Any]:
        return {"card": {"name": name, "description": description, "author": "SDS Bridge", "tags": tags}}


def model_named(name: str) -> Model | None:
    """``separate`` (into two), ``separate-1`` to ``separate-4``, or ``tune``; None for any other."""
    if name == "tune":
        return Model(name, "tune")
    if name == "separate":
        return Model(name, "separate", 2)
    counts = {f"separate-{n}": n for n in range(1, MOST_STEMS + 1)}
    return Model(name, "separate", counts[name]) if name in counts else None


def _track(label: str, info: str) -> dict[str, Any]:
    return {"label": label, "info": info, "required": True, "type": "audio_track"}


def _text(label: str, info: str, value: str) -> dict[str, Any]:
    return {"label": label, "info": info, "value": value, "type": "text_box"}


def _choice(label: str, info: str, choices: list[str]) -> dict[str, Any]:
    pairs = [[choice, choice] for choice in choices]
    return {
        "label": label,
        "info": info,
        "choices": pairs,
        "value": choices[0],
        "multiselect": False,
        "type": "dropdown",
    }


def _number(label: str, info: str, low: int, high: int, value: int) -> dict[str, Any]:
    about = {"label": label, "info": info, "minimum": low, "maximum": high, "step": 1, "value": value}
    return about | {"type": "number_box"}


def _value(component: dict[str, Any], value: Any) -> Any:
    label = component["label"]
    match component["type"]:
        case "audio_track":
            path = value.get("path") if isinstance(value, dict) else None
            if not isinstance(path, str):
                raise InputError(f"{label}: no file. Load a clip into HARP's input track.")
            return path
        case "number_box":
            low, high = component["minimum"], component["maximum"]
            whole = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not whole or not low <= value <= high or int(value) != value:
                raise InputError(
                    f"{label}: {str(value)[:60]!r}; whole numbers from {low} to {high} are taken. Give one."
                )
            return int(value)
        case _:
            if not isinstance(value, str):
                raise InputError(f"{label}: {str(value)[:60]!r} is no text. Give one.")
            return value
