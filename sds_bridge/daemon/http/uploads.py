"""Clips sent by a page or a script: streamed to disk within a limit, looked at, and only then named."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path
from typing import Annotated, Any

import soundfile
from fastapi import APIRouter, HTTPException, Query, Request

from sds_bridge import audio
from sds_bridge.daemon.http.models import UploadView
from sds_bridge.daemon.http.service import REFUSALS, Here
from sds_bridge.errors import InputError

LARGEST_UPLOAD = 512 << 20
PATH = "/api/clips"

router = APIRouter(prefix="/api", tags=["files"], responses=REFUSALS)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/clips", status_code=201, openapi_extra=_BODY, max_body_size=LARGEST_UPLOAD)
async def upload(
    request: Request,
    here: Here,
    name: Annotated[str, Query(max_length=255, description="the file's name, for its type and your eyes")] = "clip.wav",
) -> UploadView:
    """Take a clip as the raw body (WAV, AIFF, FLAC, Ogg, MP3), in as many chunks as it comes."""
    folder = here.folder / "uploads"
    folder.mkdir(exist_ok=True)
    beside = folder / f".{uuid.uuid4().hex}.part"
    try:
        await _receive(request, beside)
        return await asyncio.to_thread(admit, beside, folder, name)
    finally:
        beside.unlink(missing_ok=True)


def forget_halves(folder: Path) -> None:
    """Remove what a killed daemon had received of a clip."""
    for half in (folder / "uploads").glob(".*.part"):
        half.unlink(missing_ok=True)


async def _receive(request: Request, beside: Path) -> None:
    try:
        with open(beside, "wb") as file:
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
    except OSError as error:
        raise HTTPException(409, f"the clip can't be kept ({error.strerror}). Make room and send it again.") from None


def admit(beside: Path, folder: Path, name: str) -> UploadView:
    """Take a whole file that was received into ``folder`` as a clip; raises InputError when it is none."""
    try:
        audio.check_header(beside)
        about = soundfile.info(beside)
    except InputError as error:
        raise InputError(str(error).replace(str(beside), _shown(name))) from None
    clip = folder / f"{uuid.uuid4().hex[:8]}-{_file_name(name)}"
    beside.rename(clip)
    return UploadView(clip=str(clip), seconds=about.duration, rate=about.samplerate, channels=about.channels)


def _file_name(name: str) -> str:
    """The last part of ``name`` in letters that every system takes."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    clean = re.sub(r"[^A-Za-z0-9]+", "-", stem if dot else last).strip("-")[:60] or "clip"
    return f"{clean}.{re.sub(r'[^A-Za-z0-9]', '', suffix)[:5] or 'wav'}" if dot else clean


def _shown(name: str) -> str:
    return re.split(r"[/\\]", name)[-1][:100] or "the clip"
