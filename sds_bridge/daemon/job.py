"""A job as the store keeps it and as everyone else sees it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

PATHS = ("clip", "start")
_PRIVATE = ("token", "owner", "furthest", "ended")
_RELATIVE = "./"

ClientId = str | int | float
Endpoint = tuple[str, int]


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True)
class Job:
    """One row of ``schema/``. Times are seconds since 1970, to be shown and never compared: clocks are set.

    ``seconds_left`` is -1 while unknown; ``memory`` and ``disk`` are bytes by the estimate, 0 where there is none.
    """

    id: int
    client_id: ClientId
    reply: tuple[Endpoint, ...]
    kind: str
    request: dict[str, Any]
    status: Status
    cancel_requested: bool
    attempts: int
    crashes: int
    kills: int
    priority: int
    beats: int
    memory: int
    disk: int
    step: int
    steps: int
    seconds_left: float
    message: str
    result: dict[str, Any] | None
    error: str | None
    announced: bool
    created: float
    started: float | None
    heartbeat: float | None
    finished: float | None
    removed: float | None

    @property
    def reads(self) -> list[Path]:
        """The files that its request names."""
        return [Path(value) for name in PATHS if isinstance(value := self.request.get(name), str)]


@dataclass(frozen=True)
class Need:
    """What a job is thought to take, in bytes; 0 where that isn't known."""

    memory: int = 0
    disk: int = 0


@dataclass(frozen=True)
class Pulse:
    """Of a running job: differs from an earlier one if and only if its worker was heard of since."""

    job: int
    attempts: int
    beats: int
    step: int


def inside(name: str, folder: Path) -> str:
    """``./`` and the path relative to ``folder`` where ``name`` is in it, else ``name``."""
    path = Path(name)
    return _RELATIVE + path.relative_to(folder).as_posix() if path.is_relative_to(folder) else name


def _outside(name: str, folder: Path) -> str:
    return str(folder / name.removeprefix(_RELATIVE)) if name.startswith(_RELATIVE) else name


def relative(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request with its paths as :func:`inside` has them."""
    named = {name: inside(request[name], folder) for name in PATHS if isinstance(request.get(name), str)}
    return request | named


def from_row(row: sqlite3.Row, folder: Path) -> Job:
    """The job of a row, its paths absolute under ``folder``, which may have moved."""
    values = {name: row[name] for name in row.keys() if name not in _PRIVATE}  # noqa: SIM118
    for name in ("client_id", "request"):
        values[name] = json.loads(values[name])
    for name in PATHS:
        if isinstance(values["request"].get(name), str):
            values["request"][name] = _outside(values["request"][name], folder)
    result = json.loads(values["result"]) if values["result"] else None
    if result is not None:
        result["files"] = [_outside(file, folder) for file in result.get("files", [])]
    return Job(
        **values
        | {
            "reply": tuple((host, port) for host, port in json.loads(values["reply"])),
            "status": Status(values["status"]),
            "cancel_requested": bool(values["cancel_requested"]),
            "announced": bool(values["announced"]),
            "result": result,
        }
    )
