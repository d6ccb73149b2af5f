"""What the daemon is and what its priors know, so that a form can tell before a job is made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sds_bridge import __version__, audio
from sds_bridge.daemon.http.models import DaemonView, WordsView
from sds_bridge.daemon.http.service import REFUSALS
from sds_bridge.daemon.http.uploads import LARGEST_UPLOAD
from sds_bridge.priors.catalog import ENTRIES
from sds_bridge.priors.vocabulary import known_words
from sds_bridge.tasks.sounds import known_sounds

router = APIRouter(prefix="/api", tags=["knowledge"], responses=REFUSALS)


@router.get("")
async def about() -> DaemonView:
    """The daemon's version, priors and limits."""
    return DaemonView(
        version=__version__,
        priors=list(ENTRIES),
        largest_upload=LARGEST_UPLOAD,
        longest_clip=audio.LONGEST_SECONDS,
    )


@router.get("/words")
async def words(
    prompt: Annotated[str, Query(max_length=500)], prior: Annotated[str, Query(max_length=200)] = "starter"
) -> WordsView:
    """Which words of a prompt a prior knows."""
    told = known_words(prior, prompt)
    known, unknown = told or ([], [])
    return WordsView(checked=told is not None, known=known, unknown=unknown)


@router.get("/sounds")
async def sounds() -> list[str]:
    """The sounds that the starter was trained on, best covered first."""
    return known_sounds()
