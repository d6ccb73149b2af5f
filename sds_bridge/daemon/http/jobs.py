"""Jobs over HTTP: made, listed, followed, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from sds_bridge.daemon.http.models import JobView, SeparationBody, TuneBody
from sds_bridge.daemon.http.service import LARGEST_BODY, REFUSALS, Asked, Here, Service
from sds_bridge.daemon.http.steps import start_file
from sds_bridge.daemon.store import Job
from sds_bridge.errors import JobError

MOST_LISTED = 200
MOST_FOLLOWED = 100
FOLLOW_SECONDS = 0.2

router = APIRouter(prefix="/api", tags=["jobs"], responses=REFUSALS, max_body_size=LARGEST_BODY)
_DERIVED = {"token", "priority", "start_job", "start_step"}


@router.post("/tunes", status_code=201)
async def tune(body: TuneBody, here: Here) -> JobView:
    """Queue a tune of a synth (fm, modal or dx7) to a text."""
    values = body.model_dump(exclude_unset=True, exclude=_DERIVED)
    if body.start_job is not None:
        try:
            started = here.store.get(body.start_job)
        except JobError as error:
            raise HTTPException(404, f"start_job: {error}") from None
        values["start"] = str(await start_file(here, started, body.start_step))
        values.setdefault("synth", started.request.get("synth"))
    return JobView.of(here.intake.tune(values, token=body.token, priority=body.priority))


@router.post("/separations", status_code=201)
async def separate(body: SeparationBody, here: Here) -> JobView:
    """Queue a separation of a clip into the described stems."""
    values = body.model_dump(exclude_unset=True, exclude=_DERIVED)
    return JobView.of(here.intake.separate(values, token=body.token, priority=body.priority))


@router.get("/jobs")
async def list_jobs(here: Here, limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50) -> list[JobView]:
    """The newest jobs, newest first."""
    return [JobView.of(job) for job in here.store.newest(limit)]


@router.get("/jobs/{job}")
async def get_job(asked: Asked) -> JobView:
    """How a job is."""
    return JobView.of(asked)


@router.post("/jobs/{job}/cancel")
async def cancel(asked: Asked, here: Here) -> JobView:
    """Stop a job: queued at once, running at its next step."""
    return JobView.of(here.store.request_cancel(asked.id))


@router.get("/jobs/{job}/events", response_class=EventSourceResponse)
async def follow_job(asked: Asked, here: Here) -> AsyncIterable[ServerSentEvent]:
    """Follow a job by server-sent events: ``job`` with its JSON at once and at each change, until it ends."""
    async for event in _changes(here, lambda: [here.store.get(asked.id)]):
        yield event
        if event.data["status"] in ("done", "failed", "cancelled"):
            return


@router.get("/events", response_class=EventSourceResponse)
async def follow(here: Here) -> AsyncIterable[ServerSentEvent]:
    """Follow the newest jobs by server-sent events: ``job`` with each one's JSON at once, oldest first, and at changes."""
    async for event in _changes(here, lambda: here.store.newest(MOST_FOLLOWED)[::-1]):
        yield event


async def _changes(here: Service, jobs: Callable[[], Iterable[Job]]) -> AsyncIterable[ServerSentEvent]:
    told: dict[int, Job] = {}
    seen = None
    while not here.stopping.is_set():
        version = here.store.version()
        changed, seen = version != seen, version
        for job in jobs() if changed else ():
            if told.get(job.id) != job:
                told[job.id] = job
                yield ServerSentEvent(data=JobView.of(job).model_dump(mode="json"), event="job")
        try:
            await asyncio.wait_for(here.stopping.wait(), FOLLOW_SECONDS)
        except TimeoutError:
            continue
