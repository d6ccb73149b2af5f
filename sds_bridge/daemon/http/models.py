"""What the routes take and give, as the OpenAPI description names it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sds_bridge.daemon.intake import what
from sds_bridge.daemon.store import Job, Status
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest

LARGEST_ID = 2**31 - 1


class Refusal(BaseModel):
    """What was wrong, what is allowed and what to do next, in one line."""

    error: str


class Body(BaseModel):
    """What a client sends as JSON: no other fields, no NaN, numbers as numbers, text that is text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _text(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        try:
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a surrogate pair; send whole characters") from None
        return values


class TuneBody(Body, TuneRequest):
    """A tune. Fields that are left out have their profile's own value."""

    start_job: int | None = Field(None, ge=1, le=LARGEST_ID, description="go on from this job's patch instead of start")
    start_step: int | None = Field(None, ge=0, le=100_000, description="at this step of start_job; None is its result")
    priority: int = Field(0, ge=-100, le=100, description="the highest goes first, and of those the oldest")
    token: str | None = Field(None, max_length=200, description="a request sent twice with one token makes one job")


class SeparationBody(Body, SeparateRequest):
    """A separation. ``clip`` is the path that an upload gave, or one in an allowed folder."""

    priority: int = Field(0, ge=-100, le=100, description="the highest goes first, and of those the oldest")
    token: str | None = Field(None, max_length=200, description="a request sent twice with one token makes one job")


class JobView(BaseModel):
    """A job. Times are seconds since 1970; ``seconds_left`` is null while unknown."""

    id: int
    kind: str = Field(description="tune or separate")
    status: Status
    cancelling: bool = Field(description="a cancel was asked for and the job's next step isn't reached yet")
    what: str = Field(description="the prompt, or the stems")
    step: int
    steps: int
    seconds_left: float | None
    message: str = Field(description="a remark, as words of the prompt that are unknown, or why a job waits")
    priority: int
    attempts: int = Field(description="how often a worker took it")
    memory: int = Field(description="bytes that it was thought to need when it was taken; 0: not known")
    disk: int = Field(description="the same on the disk")
    removed: float | None = Field(description="when its results were removed, as the daemon's settings say")
    error: str | None
    created: float
    started: float | None
    finished: float | None
    request: dict[str, Any] = Field(description="the request as it was taken, defaults included")
    summary: dict[str, Any] = Field(description="measured at the end, as alignment_before and alignment_after")

    @classmethod
    def of(cls, job: Job) -> JobView:
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            cancelling=job.cancel_requested and not job.status.ended,
            what=what(job),
            step=job.step,
            steps=job.steps,
            seconds_left=job.seconds_left if job.seconds_left >= 0 else None,
            message=job.message,
            priority=job.priority,
            attempts=job.attempts,
            memory=job.memory,
            disk=job.disk,
            removed=job.removed,
            error=job.error,
            created=job.created,
            started=job.started,
            finished=job.finished,
            request=job.request,
            summary=(job.result or {}).get("summary", {}),
        )


class FileView(BaseModel):
    """A file of a job."""

    name: str
    bytes: int
    url: str


class UploadView(BaseModel):
    """A clip that was taken: ``clip`` is what a separation names."""

    clip: str
    seconds: float
    rate: int
    channels: int


class WordsView(BaseModel):
    """The words of a prompt that count; ``checked`` is false for a prior that spells any word."""

    checked: bool
    known: list[str]
    unknown: list[str]


class FormatView(BaseModel):
    """A preset format and the synths whose patches it holds."""

    name: str
    suffix: str
    synths: list[str]
    description: str


class ParameterView(BaseModel):
    """A parameter: ``values`` in its ``unit``, ``positions`` 0…1 on its curve."""

    name: str
    unit: str
    description: str
    low: float
    high: float
    values: list[float]
    positions: list[float]
    choice: bool = Field(description="names a behaviour, and is never tuned")


class PatchView(BaseModel):
    """A tune's patch at a step. ``steps`` is the last step there is; null where no history was kept."""

    step: int | None = Field(description="null: the result")
    steps: int | None
    kept: int | None = Field(description="the step that the result is; null where it is a blend, or not known")
    patch: dict[str, Any]
    parameters: list[ParameterView]


class ExportBody(Body):
    """Which format, and of which step; null is the result."""

    format: str = Field(max_length=50)
    step: int | None = Field(None, ge=0, le=100_000)


class ExportView(BaseModel):
    """The file that was written, and what the format could not hold."""

    file: FileView
    report: list[str]


class DaemonView(BaseModel):
    """The daemon."""

    version: str
    priors: list[str]
    largest_upload: int = Field(description="bytes")
    longest_clip: float = Field(description="seconds; clips must be shorter")
