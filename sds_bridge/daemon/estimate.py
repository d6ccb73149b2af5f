"""What a job will take of memory and disk, from its request alone; measured on the starter, on the safe side of it.

Memory: `python -m sds_bridge.benchmarks.job_memory` shows these sums beside what jobs took.
"""

from __future__ import annotations

from pathlib import Path

import soundfile

from sds_bridge.daemon import memory, room
from sds_bridge.daemon.job import Need
from sds_bridge.daemon.room import megabytes
from sds_bridge.distillation.profiles import PROFILES, with_given
from sds_bridge.errors import JobError
from sds_bridge.priors.catalog import ENTRIES
from sds_bridge.synths.declarations import declared
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest

# torch with the starter, a window, its pictures
PROCESS = 900_000_000
A_DRAW = 6_000_000
# of a separation: a second of clip, and a second of each stem
A_SECOND, A_STEM_SECOND = 3_000_000, 7_000_000
# weights in memory beside those in the file: buffers, activations
LOADED = 1.2
# preview, picture, job.json
TUNE_FILES, STEM_PICTURE = 1_500_000, 300_000
A_STEP = 32
LATENT_SECOND = 32_000


def tune(request: TuneRequest) -> Need:
    settings = with_given(PROFILES[request.profile], steps=request.steps, batch=request.batch)
    row = 4 * sum(parameter.size for parameter in declared(request.synth))
    files = TUNE_FILES if request.prior == "starter" else 4 * TUNE_FILES
    return Need(
        memory=_process(request.prior) + A_DRAW * settings.batch,
        # steps as they come and packed, the checkpoint and the next one beside it
        disk=files + 2 * row * (settings.steps + 1) + A_STEP * settings.steps + 6 * row,
    )


def separation(request: SeparateRequest) -> Need:
    """``request.clip`` is a readable file."""
    about = soundfile.info(request.clip)
    stems = len(request.stems)
    sample = 3 if about.subtype == "PCM_24" else 2 if about.subtype == "PCM_16" else 4
    stem = about.frames * about.channels * (4 if request.mode == "latent" else sample)
    states = 3 if request.mode == "latent" else 1
    return Need(
        memory=_process(request.prior) + round(about.duration * (A_SECOND + A_STEM_SECOND * stems)),
        disk=(stems + 1) * (stem + STEM_PICTURE) + round(2 * states * stems * about.duration * LATENT_SECOND),
    )


def check(need: Need, folder: Path) -> None:
    """Raises JobError, with the numbers, for what can't fit."""
    there = memory.total()
    if need.memory > there:
        raise JobError(
            f"the job needs about {megabytes(need.memory)} of memory; this machine has {megabytes(there)}. "
            "Use a shorter clip, fewer stems or a smaller batch, or a smaller prior."
        )
    why = room.lacking(folder, need.disk)
    if why:
        raise JobError(f"the job {why}. Make room there, start the daemon with another --dir, or ask for less.")


def _process(prior: str) -> int:
    if prior == "starter":
        return PROCESS
    if prior in ENTRIES:
        return PROCESS + round(LOADED * 1e9 * ENTRIES[prior].gigabytes)
    folder = Path(prior).expanduser()
    if not folder.is_dir():
        return PROCESS
    return PROCESS + round(LOADED * sum(file.stat().st_size for file in folder.rglob("*.safetensors")))
