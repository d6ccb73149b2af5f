"""A tune along its way: the patch at any step, its sound, and it as a preset."""

from __future__ import annotations

import asyncio
import json
import re
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse

from sds_bridge.daemon.http.files import view
from sds_bridge.daemon.http.models import ExportBody, ExportView, FormatView, ParameterView, PatchView
from sds_bridge.daemon.http.service import LARGEST_BODY, REFUSALS, Asked, Here, Service
from sds_bridge.daemon.store import Job
from sds_bridge.files import replacing
from sds_bridge.formats import catalog
from sds_bridge.patch import Patch
from sds_bridge.synths.declarations import declared
from sds_bridge.synths.parameters import check
from sds_bridge.tasks import history

router = APIRouter(prefix="/api", tags=["patches"], responses=REFUSALS, max_body_size=LARGEST_BODY)
Step = Annotated[int | None, Query(ge=0, le=100_000, description="0 is the start; without it, the result")]
MOST_PREVIEWS = 40
SAMPLED, ZIPPED = "sfz", ".zip"  # an instrument and its samples travel as one file


@router.get("/formats")
async def formats() -> list[FormatView]:
    """The preset formats that a patch can be exported to."""
    return [
        FormatView(
            name=name,
            suffix=ZIPPED if name == SAMPLED else one.suffix,
            synths=one.synths,
            description=f"{one.holds}; lost: {one.loses}",
        )
        for name, one in catalog.FORMATS.items()
    ]


@router.get("/jobs/{job}/patch")
async def get_patch(asked: Asked, here: Here, step: Step = None) -> PatchView:
    """The patch of a finished tune, with every parameter's unit, range and position."""
    folder = _tuned(here, asked)
    patch = await asyncio.to_thread(_patch, folder, step)
    values = check(patch, declared(patch.synth, patch.settings))
    parameters = [
        ParameterView(
            name=p.name,
            unit=p.unit,
            description=p.description,
            low=p.low,
            high=p.high,
            values=values[p.name],
            positions=[round(p.to_position(v), 6) for v in values[p.name]],
            choice=p.choice,
        )
        for p in declared(patch.synth, patch.settings)
    ]
    return PatchView(
        step=step,
        steps=_last_step(folder),
        kept=_kept_step(folder),
        patch=patch.model_dump(mode="json"),
        parameters=parameters,
    )


@router.get("/jobs/{job}/preview.wav", response_class=FileResponse, responses={200: {"content": {"audio/wav": {}}}})
async def get_preview(asked: Asked, here: Here, step: Step = None) -> FileResponse:
    """The sound of a finished tune at a step, rendered when first asked for."""
    folder = _tuned(here, asked)
    if step is None:
        return _wav(folder / "preview.wav")
    file = folder / ".previews" / f"{step}.wav"
    if not file.is_file():
        _check_step(folder, step)
        _own(folder, ".previews")
        await here.renderer.run("preview", folder=str(folder), step=step, out=str(file))
        _keep_newest(file.parent)
    return _wav(file)


@router.post("/jobs/{job}/exports", status_code=201)
async def export(asked: Asked, here: Here, body: ExportBody) -> ExportView:
    """Write a finished tune's patch as a preset into the job's ``exports/``, and say what the format could not hold."""
    folder = _tuned(here, asked)
    patch = await asyncio.to_thread(_patch, folder, body.step)
    out = _own(folder, "exports")
    stem = re.sub(r"[^a-z0-9]+", "-", patch.name.lower()).strip("-")[:40] or "patch"
    stem = stem if body.step is None else f"{stem}-step-{body.step}"
    chosen = catalog.of(body.format)
    file = out / f"{stem}{chosen.suffix}"
    if chosen.plain(patch.synth):
        content, report = await asyncio.to_thread(catalog.export, patch, body.format)
        await asyncio.to_thread(catalog.save, content, file)
    else:
        source = out / f"{stem}.patch.json"
        patch.save(source)
        report = await here.renderer.run("export", patch=str(source), to=body.format, out=str(file))
        file = await asyncio.to_thread(_zipped, file) if body.format == SAMPLED else file
    return ExportView(file=view(asked.id, folder, file), report=report)


async def start_file(here: Service, job: Job, step: int | None) -> Path:
    """The patch file of a finished tune, or of one of its steps, for another tune to go on from."""
    folder = _tuned(here, job)
    if step is None:
        return folder / "patch.json"
    file = _own(folder, "exports") / f"step-{step}.patch.json"
    if not file.is_file():
        patch = await asyncio.to_thread(_patch, folder, step)
        patch.save(file)
    return file


def _own(folder: Path, name: str) -> Path:
    """``folder/name``, made when missing; a link there would have us write elsewhere."""
    made = folder / name
    if made.is_symlink():
        raise HTTPException(409, f"{name}: is a link out of the job's folder. Remove it and try again.")
    made.mkdir(exist_ok=True)
    return made


def _zipped(instrument: Path) -> Path:
    file = instrument.with_suffix(".sfz.zip")
    samples = instrument.with_name(f"{instrument.stem}-samples")
    with replacing(file) as beside, zipfile.ZipFile(beside, "w") as archive:
        for member in [instrument, *sorted(samples.iterdir())]:
            # a fixed time, so that one patch gives one archive
            entry = zipfile.ZipInfo(str(member.relative_to(instrument.parent)))
            archive.writestr(entry, member.read_bytes())
    return file


def _tuned(here: Service, job: Job) -> Path:
    folder = here.job_folder(job)
    if job.kind != "tune" or not (folder / "patch.json").is_file():
        raise HTTPException(
            409, f"job {job.id}: is a {job.kind} that is {job.status}; only a tune that is done has this."
        )
    return folder


def _patch(folder: Path, step: int | None) -> Patch:
    last = Patch.load(folder / "patch.json")
    if step is None:
        return last
    _check_step(folder, step)
    return history.patch_at(folder, step, declared(last.synth, last.settings))


def _check_step(folder: Path, step: int) -> None:
    last = _last_step(folder)
    if last is None or step > last:
        there = "no history was kept" if last is None else f"there are 0 to {last}"
        raise HTTPException(404, f"step {step}: {there}. Give one of those, or leave it away for the result.")


def _last_step(folder: Path) -> int | None:
    try:
        with np.load(folder / history.FILE, allow_pickle=False) as stored:
            return len(stored["positions"]) - 1
    except (OSError, KeyError, ValueError):
        return None


def _kept_step(folder: Path) -> int | None:
    try:
        record = json.loads((folder / "job.json").read_text("utf-8"))
        return int(record["kept_step"]) if record["request"]["amount"] == 1 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep_newest(folder: Path) -> None:
    heard = sorted(folder.glob("*.wav"), key=lambda file: file.stat().st_mtime)
    for old in heard[:-MOST_PREVIEWS]:
        old.unlink(missing_ok=True)


def _wav(file: Path) -> FileResponse:
    if not file.is_file():
        raise HTTPException(404, f"{file.name}: is gone. Tune again to have it.")
    return FileResponse(file, media_type="audio/wav")
