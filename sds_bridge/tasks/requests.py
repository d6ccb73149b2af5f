"""Requests and progress: the plain data between the CLI or the daemon and a task. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sds_bridge.errors import InputError
from sds_bridge.patch import Patch
from sds_bridge.tasks.notes import parse_note

Profile = Literal["draft", "paper"]


def _spoken(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; say what the sound should be, as 'kick drum, bass, reverb'")
    if len(text) > 500:
        raise ValueError(f"has {len(text)} characters; at most 500 are taken")
    return text.strip()


class TuneRequest(BaseModel):
    """``sds-bridge tune``. ``None`` means the profile's own value."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    prompt: str
    synth: Literal["fm", "modal", "dx7"] = "fm"
    negative: str = ""
    profile: Profile = "draft"
    steps: int | None = Field(None, ge=0, le=100_000)
    batch: int | None = Field(None, ge=1, le=256)
    guidance: float | None = Field(None, ge=0, le=200)
    candidates: int | None = Field(None, ge=0, le=10_000, description="sounds among which the start is chosen")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    start: str | None = None
    lock: list[str] = []
    amount: float = Field(1.0, ge=0, le=1, description="how far from the start to the tuned patch")
    algorithm: int | None = Field(None, ge=1, le=32, description="of a dx7 voice; None tries several")
    note: int = Field(48, ge=0, le=127)
    prior: str = "starter"

    _prompt = field_validator("prompt")(_spoken)
    _note = field_validator("note", mode="before")(lambda value: parse_note(value) if isinstance(value, str) else value)


class SeparateRequest(BaseModel):
    """``sds-bridge separate``. ``sds_weight`` is the paper's γ; 0 reconstructs only."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    clip: str
    stems: list[str] = Field(min_length=1, max_length=8)
    mode: Literal["mask", "latent"] = "mask"
    sds_weight: float | None = Field(None, ge=0, le=100)
    steps: int | None = Field(None, ge=0, le=100_000)
    guidance: float | None = Field(None, ge=0, le=200)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    prior: str = "starter"

    @field_validator("stems")
    @classmethod
    def _stems(cls, value: list[str]) -> list[str]:
        return [_spoken(v) for v in value]


def from_start(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a TuneRequest, with the synth and the note of the patch at ``start`` where none is named.

    Raises:
        PatchError: the start can't be read.
    """
    if values.get("start") is None:
        return values
    patch = Patch.load(values["start"])
    return {"synth": patch.synth, "note": patch.note, **values}


Request = TypeVar("Request", bound=BaseModel)


def parse(kind: type[Request], values: dict[str, Any]) -> Request:
    """Validate, with a one-line InputError that names the field, the value and what is allowed."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] == "value_error" else f" (got {str(first.get('input'))[:60]!r})"
        raise InputError(f"{where}: {message}{given}.") from None


@dataclass(frozen=True)
class Progress:
    """After each optimisation step; ``message`` is a remark to keep, ``doing`` what comes before the first step."""

    step: int
    steps: int
    loss: float
    seconds_left: float
    message: str = ""
    doing: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """What a finished or stopped task left: ``files`` are absolute paths; ``stopped`` tells a cooperative stop."""

    folder: Path
    files: list[Path]
    summary: dict[str, Any]
    stopped: bool = False


Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


def stepwise(report: Report, steps: int) -> Callable[[int, float, Any], None]:
    """An ``on_step`` for the loop that reports the time left, by the pace of the steps that this run did itself."""
    began = time.monotonic()
    resumed_at: int | None = None

    def on_step(step: int, loss: float, _: Any) -> None:
        nonlocal resumed_at
        resumed_at = step - 1 if resumed_at is None else resumed_at
        pace = (time.monotonic() - began) / (step - resumed_at)
        report(Progress(step, steps, loss, pace * (steps - step)))

    return on_step
