"""From what a client asks to a queued job: one validation for OSC and HTTP. Nothing here runs a job."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sds_bridge import audio
from sds_bridge.daemon import estimate
from sds_bridge.daemon.access import Access, free_job_id
from sds_bridge.daemon.store import PRIORITIES, ClientId, Endpoint, Job, Store
from sds_bridge.errors import InputError
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest, from_start, parse

LARGEST_PATCH = 4 << 20

log = logging.getLogger(__name__)


class Intake:
    """Checks requests against the allowed folders and their models, and queues them in ``store``."""

    def __init__(self, store: Store, access: Access, folder: Path) -> None:
        self._store, self._access, self._folder = store, access, folder

    def tune(
        self,
        values: Mapping[str, Any],
        client_id: ClientId = "",
        reply: Sequence[Endpoint] = (),
        token: str | None = None,
        priority: int = 0,
    ) -> Job:
        """Queue a tune from the fields of TuneRequest; ``start`` must be a readable patch.

        Raises:
            InputError: a field that can't be used.
            PatchError: the start can't be read.
            JobError: the queue is full, or the job needs more memory or disk than there is.
        """
        checked = dict(values)
        if checked.get("start") is not None:
            start = self._access.readable(checked["start"], "start")
            if not start.is_file() or start.stat().st_size > LARGEST_PATCH:
                raise InputError(
                    f"start: {start}: is no file, or has over {LARGEST_PATCH >> 20} MB. Give a patch.json."
                )
            checked = from_start({**checked, "start": str(start)})
        return self._create("tune", TuneRequest, checked, client_id, reply, token, priority)

    def separate(
        self,
        values: Mapping[str, Any],
        client_id: ClientId = "",
        reply: Sequence[Endpoint] = (),
        token: str | None = None,
        priority: int = 0,
    ) -> Job:
        """Queue a separation from the fields of SeparateRequest, its clip checked by its header; raises as ``tune``."""
        clip = self._access.readable(values["clip"], "clip")
        if not clip.is_file():
            raise InputError(f"clip: {clip}: is a folder. Give the path of an audio file.")
        audio.check_header(clip)
        checked = {**values, "clip": str(clip)}
        return self._create("separate", SeparateRequest, checked, client_id, reply, token, priority)

    def _create(
        self,
        kind: str,
        model: Any,
        values: dict[str, Any],
        client_id: ClientId,
        reply: Sequence[Endpoint],
        token: str | None,
        priority: int,
    ) -> Job:
        lowest, highest = PRIORITIES
        if not lowest <= priority <= highest:
            raise InputError(f"priority: {priority}; {lowest} to {highest} is allowed, the highest goes first.")
        if "prior" in values:
            values["prior"] = self._access.prior(values["prior"])
        parsed = parse(model, values)
        known = None if token is None else self._store.made_by(token)
        if known is not None:
            return known
        need = estimate.tune(parsed) if kind == "tune" else estimate.separation(parsed)
        estimate.check(need, self._folder)
        request, at_least = parsed.model_dump(mode="json"), free_job_id(self._folder)
        job = self._store.create(kind, request, client_id, reply, token, at_least, priority, need)
        log.info("job %d: %s %s", job.id, kind, what(job))
        return job


def what(job: Job) -> str:
    """The job in a few words."""
    request = job.request
    return str(request.get("prompt") or ", ".join(request.get("stems", [])))
