"""A job's files: listed and downloaded, by ranges too."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from sds_bridge.daemon.http.models import FileView
from sds_bridge.daemon.http.service import REFUSALS, Asked, Here

router = APIRouter(prefix="/api", tags=["files"], responses=REFUSALS)
MOST_LISTED = 1000


@router.get("/jobs/{job}/files")
async def list_files(asked: Asked, here: Here) -> list[FileView]:
    """What a job wrote, by name; hidden files are its own business."""
    folder = here.job_folder(asked).resolve()
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(base, name) for name in sorted(names) if not name.startswith("."))
        found += [view(asked.id, folder, path) for path in paths if path.is_file() and not path.is_symlink()]
    return found[:MOST_LISTED]


@router.get(
    "/jobs/{job}/files/{name:path}",
    response_class=FileResponse,
    responses={200: {"content": {"*/*": {}}, "description": "the file, or the range of it that was asked for"}},
)
async def download(asked: Asked, here: Here, name: str) -> FileResponse:
    """One of those files."""
    folder = here.job_folder(asked).resolve()
    file = within(folder, name)
    if file is None:
        raise HTTPException(
            404, f"{name[:100]!r}: no such file of job {asked.id}. Its files are at /api/jobs/{asked.id}/files."
        )
    return FileResponse(file, filename=file.name)


@router.get("/jobs/{job}/clip", response_class=FileResponse, responses={200: {"content": {"audio/*": {}}}})
async def get_clip(asked: Asked, here: Here) -> FileResponse:
    """The clip that a separation was given."""
    if asked.kind != "separate":
        raise HTTPException(409, f"job {asked.id}: is a {asked.kind}; only a separation has a clip.")
    clip = here.access.readable(asked.request["clip"], "clip")
    if not clip.is_file():
        raise HTTPException(404, f"{clip.name}: is gone.")
    return FileResponse(clip, filename=clip.name)


def within(folder: Path, name: str) -> Path | None:
    """The regular file ``name`` under ``folder`` (resolved), links followed first; None for anything else."""
    if "\0" in name or "\\" in name or any(part.startswith(".") for part in name.split("/")):
        return None
    try:
        file = (folder / name).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def view(job: int, folder: Path, file: Path) -> FileView:
    name = file.relative_to(folder).as_posix()
    return FileView(name=name, bytes=file.stat().st_size, url=f"/api/jobs/{job}/files/{quote(name)}")
