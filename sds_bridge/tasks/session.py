"""A session as a person writes it: tracks of MIDI, instrument, effects, gain and pan, in one TOML file.

    rate = 48000
    depth = "24"

    [[track]]
    name = "bass"
    midi = "song.mid"
    channel = 1
    plugin = "nekobi"
    parameters = { cutoff = 0.6 }
    gain = -3.0
    effects = [{ effect = "Compressor", parameters = { threshold_db = -20.0 } }, { plugin = "Late.vst3" }]

Imports no torch.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sds_bridge.host.plugin import BLOCK
from sds_bridge.host.spec import load_toml

Depth = Literal["16", "24", "32f"]
SUBTYPES: dict[Depth, str] = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}
RESERVED = ("mix", "stems")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Effect(_Table):
    """One of pedalboard's effects with its arguments, or a plug-in with positions 0…1."""

    effect: str = ""
    plugin: str = ""
    preset: str = ""
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one(self) -> Effect:
        if bool(self.effect) == bool(self.plugin):
            raise ValueError("name either an effect, as 'Reverb', or a plugin")
        if self.effect and self.preset:
            raise ValueError(f"{self.effect} takes no preset; give parameters")
        endless = [n for n, v in self.parameters.items() if isinstance(v, float) and not math.isfinite(v)]
        if endless:
            raise ValueError(
                f"{endless[0]} of {self.effect or self.plugin}: {self.parameters[endless[0]]} is no number"
            )
        strange = [n for n, v in self.parameters.items() if self.plugin and not isinstance(v, (int, float))]
        if strange:
            raise ValueError(f"{strange[0]} of {self.plugin}: a plug-in's parameters are positions from 0 to 1")
        return self


class Track(_Table):
    """One stem. Paths are relative to the session's file.

    ``plugin`` is a spec's name or a .vst3 path; a ``patch`` without one plays on our own synth, with one it is
    carried over by the spec's mapping. ``parameters`` are positions 0…1 and come last.
    """

    name: str
    midi: str
    channel: int | None = Field(None, ge=1, le=16)
    plugin: str = ""
    preset: str = ""
    patch: str = ""
    parameters: dict[str, float] = {}
    effects: list[Effect] = []
    gain: float = Field(0.0, ge=-120, le=60, description="dB")
    pan: float = Field(0.0, ge=-1, le=1, description="-1 left, 1 right, equal power, 0 dB in the middle")

    @field_validator("name")
    @classmethod
    def _file_name(cls, value: str) -> str:
        if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]{1,100}", value) or value.strip(" .") != value:
            raise ValueError(f"{value!r} can't be a file's name; give letters, digits, spaces and dashes")
        return value

    @model_validator(mode="after")
    def _instrument(self) -> Track:
        if not self.plugin and not self.patch:
            raise ValueError(f"track {self.name!r} has no instrument; give a plugin or a patch")
        if not self.plugin and (self.preset or self.parameters):
            raise ValueError(f"track {self.name!r}: a preset and parameters are a plug-in's; give a plugin too")
        return self


class Session(_Table):
    """The whole; ``tail`` seconds are rendered after the last note of the longest track."""

    rate: int = Field(48_000, ge=8_000, le=192_000)
    depth: Depth = "24"
    tail: float = Field(2.0, ge=0, le=60)
    block: int = Field(BLOCK, ge=1, le=65_536, description="samples a call of a plug-in")
    time_limit: float | None = Field(None, gt=0, le=3600, description="s that a track's plug-ins may take at a step")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    track: list[Track] = Field(min_length=1, max_length=256)

    # TOML's 24 means what "24" does
    _depth = field_validator("depth", mode="before")(lambda value: str(value) if type(value) is int else value)

    @model_validator(mode="after")
    def _names(self) -> Session:
        names = [t.name.lower() for t in self.track]
        for name in names:
            if name in RESERVED:
                raise ValueError(f"a track can't be called {name!r}; that is another file's name")
            if names.count(name) > 1:
                raise ValueError(f"two tracks are called {name!r}; give each its own name")
        return self


def load_session(path: str | Path) -> Session:
    """Raises SpecError naming the file and the first thing wrong with it."""
    return load_toml(path, Session, "session")
