"""What every result records, so that it can be made again."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sds_bridge
from sds_bridge.audio import LONGEST_NOTE

if TYPE_CHECKING:
    from sds_bridge.priors.base import Prior

PACKAGES = ("torch", "diffusers", "transformers", "numpy", "soxr", "pedalboard", "cma")


def versions() -> dict[str, str]:
    found = {"sds_bridge": sds_bridge.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def unknown_word_warning(prior: Prior, prompt: str) -> str | None:
    """One line about the words that the prior never learnt, or None."""
    told = prior.words(prompt)
    if told is None or not told[1]:
        return None
    known, unknown = told
    listed = ", ".join(repr(w) for w in unknown)
    effect = "the rest of the prompt is used" if known else "no word is left, so the result is arbitrary"
    return f"the prior {prior.name!r} doesn't know {listed}; {effect}. `sds-bridge sample --list` names its sounds."


def record(prior: Prior, request: Any, settings: Any, **more: Any) -> dict[str, Any]:
    return {
        "request": request.model_dump(),
        "settings": settings,
        "seed": request.seed,
        "prior": prior.describe(),
        "versions": versions(),
        **more,
    }


def note(task: str, details: dict[str, Any]) -> str:
    """The record in one line of ASCII, for the comment of a sound, a picture or an archive.

    Files are named without their folders, which are nobody's business where the result goes; long texts are cut.
    """
    line = ""
    for longest in (500, 120, 40, 15):
        request = {key: _short(key, value, longest) for key, value in details["request"].items()}
        prior = {key: _short("prior", value, longest) for key, value in details["prior"].items()}
        line = json.dumps({"task": task, **details, "request": request, "prior": prior}, default=str)
        if len(line) <= LONGEST_NOTE:
            break
    return line[:LONGEST_NOTE]


def _short(key: str, value: Any, longest: int) -> Any:
    if isinstance(value, list):
        return [_short(key, part, longest) for part in value]
    if not isinstance(value, str):
        return value
    name = Path(value).name if key in ("clip", "start", "prior") and Path(value).is_absolute() else value
    return name if len(name) <= longest else name[:longest] + "..."
