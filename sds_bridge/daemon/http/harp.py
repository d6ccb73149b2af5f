"""HARP's routes: what its client asks of a Gradio app, answered from the daemon's own jobs.

A model's address is the daemon's with a path, as ``http://localhost:9080/harp/separate``. HARP posts to
``gradio_api/call/controls``, ``process`` and ``cancel`` beneath it, gets an ``event_id``, and follows
``gradio_api/call/NAME/EVENT_ID`` as server-sent events until ``complete`` or ``error``; files go up by
``gradio_api/upload`` and come down from the ``url`` of a result. Its reader takes the line after ``event: complete`` as
the answer (TEAMuP-dev/HARP, src/clients/GradioClient.h), so events are written out here line by line.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse

from sds_bridge.daemon.http.files import list_files
from sds_bridge.daemon.http.harp_models import Model, model_named
from sds_bridge.daemon.http.models import LARGEST_ID
from sds_bridge.daemon.http.service import LARGEST_BODY, Here, Service
from sds_bridge.daemon.http.uploads import LARGEST_UPLOAD, admit
from sds_bridge.daemon.store import Job, Status
from sds_bridge.errors import JobError, SdsBridgeError

FOLLOW_SECONDS = 0.2
HEARTBEAT_SECONDS = 5.0
LOG_SECONDS = 1.0
MOST_SEARCHED = 200
EVENTS = {"content-type": "text/event-stream", "cache-control": "no-cache"}

router = APIRouter(include_in_schema=False)


async def _model(request: Request) -> Model:
    """The model that a path names; without one, the separation into two."""
    name = request.path_params.get("model", "separate")
    found = model_named(name)
    if found is None:
        raise HTTPException(
            404, f"{name[:40]!r}: no such model. Load /harp/separate, /harp/separate-1…4 or /harp/tune."
        )
    return found


Asked = Annotated[Model, Depends(_model)]


def is_upload(path: str) -> bool:
    """Whether a request to ``path`` brings a clip."""
    return path.endswith("/gradio_api/upload")


@router.post("/gradio_api/upload", max_body_size=LARGEST_UPLOAD)
@router.post("/harp/{model}/gradio_api/upload", max_body_size=LARGEST_UPLOAD)
async def upload(request: Request, here: Here) -> list[str]:
    """Take clips from a multipart form's ``files``; the path of each."""
    folder = here.folder / "uploads"
    folder.mkdir(exist_ok=True)
    async with request.form(max_files=1, max_fields=10) as form:
        files = [part for part in form.getlist("files") if not isinstance(part, str)]
        if len(files) != 1:
            raise HTTPException(422, f"files: {len(files)} were sent. Send one clip as 'files'.")
        beside = folder / f".{uuid.uuid4().hex}.part"
        try:
            with open(beside, "wb") as file:
                while chunk := await files[0].read(1 << 20):
                    await asyncio.to_thread(file.write, chunk)
            taken = await asyncio.to_thread(admit, beside, folder, files[0].filename or "clip.wav")
        finally:
            beside.unlink(missing_ok=True)
    return [taken.clip]


@router.post("/gradio_api/call/{name}", max_body_size=LARGEST_BODY)
@router.post("/harp/{model}/gradio_api/call/{name}", max_body_size=LARGEST_BODY)
async def call(name: str, request: Request, here: Here, asked: Asked) -> dict[str, str]:
    """Begin one of ``controls``, ``process`` and ``cancel``; the event to follow."""
    if name == "process":
        values = asked.request(await _data(request))
        take = here.intake.separate if asked.kind == "separate" else here.intake.tune
        return {"event_id": str(take(values, _mark(asked)).id)}
    if name == "cancel":
        _cancel(here, asked)
    elif name != "controls":
        raise HTTPException(404, f"{name[:40]!r}: no such call. HARP has controls, process and cancel.")
    return {"event_id": name}


@router.get("/gradio_api/call/{name}/{event}")
@router.get("/harp/{model}/gradio_api/call/{name}/{event}")
async def follow(name: str, event: str, request: Request, here: Here, asked: Asked) -> Any:
    """Follow what was begun."""
    if name == event == "controls":
        return _events(_complete([asked.controls()]))
    if name == event == "cancel":
        return _events(_complete([]))
    if name != "process" or not event.isdecimal() or not 1 <= int(event[:12]) <= LARGEST_ID:
        raise HTTPException(404, f"{event[:40]!r}: no such event of {name[:40]!r}. Call it first.")
    try:
        job = here.store.get(int(event))
    except JobError as error:
        raise HTTPException(404, str(error)) from None
    if job.client_id != _mark(asked):
        raise HTTPException(404, f"{event}: is no event of this model. Call process first.")
    base = str(request.base_url).rstrip("/")
    return StreamingResponse(_progress(here, asked, job.id, base), headers=EVENTS)


async def _progress(here: Service, model: Model, number: int, base: str) -> AsyncIterator[str]:
    told, spoken = "", -HEARTBEAT_SECONDS
    loop = asyncio.get_running_loop()
    while not here.stopping.is_set():
        job = here.store.get(number)
        if job.status.ended:
            yield await _ending(here, model, job, base)
            return
        now, text = loop.time(), _said(job)
        if text != told and now - spoken >= LOG_SECONDS:
            told, spoken = text, now
            yield _event("log", {"log": text, "level": "info"})
        elif now - spoken >= HEARTBEAT_SECONDS:
            spoken = now
            yield _event("heartbeat", None)
        try:
            await asyncio.wait_for(here.stopping.wait(), FOLLOW_SECONDS)
        except TimeoutError:
            continue
    yield _event("error", {"error": f"the daemon stops; job {number} goes on when it starts again."})


async def _ending(here: Service, model: Model, job: Job, base: str) -> str:
    if job.status is not Status.DONE:
        return _event("error", {"error": job.error or f"job {job.id} was {job.status}."})
    names = [view.name for view in await list_files(job, here)]
    folder = here.job_folder(job)
    outputs = []
    for name in model.results(names):
        url = f"{base}/api/jobs/{job.id}/files/{quote(name)}"
        file = {"path": str(folder / name), "url": url, "orig_name": name, "size": (folder / name).stat().st_size}
        outputs.append(file | {"mime_type": "audio/wav", "is_stream": False, "meta": {"_type": "gradio.FileData"}})
    return _complete(outputs)


def _cancel(here: Service, model: Model) -> None:
    """The model's newest job that has not ended, as HARP has one at a time; none is no error."""
    for job in here.store.newest(MOST_SEARCHED):
        if job.client_id == _mark(model) and not job.status.ended and not job.cancel_requested:
            try:
                here.store.request_cancel(job.id)
            except SdsBridgeError:
                continue  # it ended meanwhile
            return


async def _data(request: Request) -> list[Any]:
    try:
        found = json.loads(await request.body())["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise HTTPException(422, 'the body is not {"data": […]}. Send the inputs in the order that controls gives.')
    return found


def _mark(model: Model) -> str:
    return f"harp:{model.name}"


def _said(job: Job) -> str:
    if job.status is Status.QUEUED:
        return f"job {job.id} waits"
    left = f", {job.seconds_left:.0f} s left" if job.seconds_left >= 0 else ""
    return f"job {job.id}: step {job.step} of {job.steps or '?'}{left}" + (f"; {job.message}" if job.message else "")


def _events(text: str) -> StreamingResponse:
    return StreamingResponse(iter([text]), headers=EVENTS)


def _complete(outputs: list[Any]) -> str:
    return _event("complete", outputs)


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
