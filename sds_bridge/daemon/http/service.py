"""What every route works with, made in the server's own thread; and how errors become answers."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from sds_bridge.daemon.access import Access, job_folder
from sds_bridge.daemon.http.models import LARGEST_ID, Refusal
from sds_bridge.daemon.http.rendering import Renderer
from sds_bridge.daemon.intake import Intake
from sds_bridge.daemon.store import Job, Store
from sds_bridge.errors import JobError, SdsBridgeError

LARGEST_BODY = 1 << 20
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "not a whole request"},
    403: {"model": Refusal, "description": "not from here"},
    404: {"model": Refusal, "description": "no such job, step or file"},
    409: {"model": Refusal, "description": "not in the job's or the queue's present state"},
    413: {"model": Refusal, "description": "too large"},
    422: {"model": Refusal, "description": "a value that can't be used"},
}


@dataclass
class Service:
    """``folder`` is the daemon's own, with ``jobs/`` and ``uploads/``."""

    store: Store
    access: Access
    folder: Path
    renderer: Renderer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def intake(self) -> Intake:
        return Intake(self.store, self.access, self.folder)

    def job_folder(self, job: Job) -> Path:
        return job_folder(self.folder, job.id)


async def service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Here = Annotated[Service, Depends(service)]
JobId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


async def job_of(job: JobId, here: Here) -> Job:
    """The job that a path names; 404 when there is none."""
    try:
        return here.store.get(job)
    except JobError:
        raise HTTPException(404, f"job {job}: no such job. GET /api/jobs names the jobs there are.") from None


Asked = Annotated[Job, Depends(job_of)]


def answer_errors(app: FastAPI) -> None:
    """Every refusal is ``{"error": "one line"}``: 409 for a job's state, 422 for what can't be used."""

    @app.exception_handler(SdsBridgeError)
    async def _ours(request: Request, error: SdsBridgeError) -> JSONResponse:
        return refusal(409 if isinstance(error, JobError) else 422, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        message = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] in ("value_error", "missing") else f" (got {str(first.get('input'))[:60]!r})"
        return refusal(422, f"{where}: {message}{given}.")

    @app.exception_handler(StarletteHTTPException)
    async def _http(request: Request, error: StarletteHTTPException) -> JSONResponse:
        text = "the body is larger than this route takes. Send less." if error.status_code == 413 else str(error.detail)
        answer = refusal(error.status_code, text)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(OSError)
    async def _disk(request: Request, error: OSError) -> JSONResponse:
        return refusal(
            409, f"a file can't be used just now ({error.strerror or error}). Make room if the disk is full; try again."
        )

    @app.exception_handler(sqlite3.Error)
    async def _busy(request: Request, error: sqlite3.Error) -> JSONResponse:
        return refusal(
            409, f"the job store can't be used just now ({error}). Make room if the disk is full; try again."
        )

    @app.exception_handler(Exception)
    async def _ours_to_fix(request: Request, error: Exception) -> JSONResponse:
        why = f"internal error ({type(error).__name__}). The daemon's log says more; please report it."
        return refusal(500, why)


def refusal(status: int, text: str) -> JSONResponse:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return JSONResponse({"error": line}, status)
