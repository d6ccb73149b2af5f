"""Priors by name: what is installed, what would have to be fetched, how large it is, under which licence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sds_bridge.errors import PriorError

if TYPE_CHECKING:
    from sds_bridge.priors.base import Prior

STARTER = Path(__file__).parent.parent / "starter" / "weights"


@dataclass(frozen=True)
class Entry:
    """A prior that is known by name. ``source`` is a folder or a hub id, ``gigabytes`` what a fetch brings."""

    name: str
    source: str
    pipeline: str
    gigabytes: float
    licence: str
    about: str


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "starter",
            str(STARTER),
            "StableAudioPipeline",
            0.03,
            "CC BY-SA 4.0",
            "bundled, mono 24 kHz, 2 s, runs on a CPU",
        ),
        Entry(
            "stable-audio-open",
            "stabilityai/stable-audio-open-1.0",
            "StableAudioPipeline",
            4.9,
            "Stability AI Community License, gated",
            "1.2 B, stereo 44.1 kHz, up to 47 s",
        ),
        Entry(
            "stable-audio-3",
            "stabilityai/stable-audio-3-medium-base",
            "StableAudio3Pipeline",
            6.5,
            "Stability AI Community License, gated",
            "1.4 B base checkpoint, stereo 44.1 kHz, up to 380 s",
        ),
    )
}


def installed(entry: Entry) -> bool:
    """True if every file is on this machine already (nothing is fetched to find out)."""
    if Path(entry.source).is_dir():
        return (Path(entry.source) / "model_index.json").is_file()
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(entry.source, "model_index.json"), str)


def pipeline_of(folder: Path) -> str:
    """Class named in a folder's ``model_index.json``."""
    try:
        return str(json.loads((folder / "model_index.json").read_text())["_class_name"])
    except (OSError, ValueError, KeyError):
        raise PriorError(
            f"prior {str(folder)!r}: no readable model_index.json. Give a folder saved with save_pretrained."
        ) from None


@lru_cache(maxsize=1)
def load(name: str, device: str = "cpu", dtype: str = "float32") -> Prior:
    """A prior by its name, a folder, or a hub id (``org/model``). The last one stays loaded.

    Raises:
        PriorError: unknown name, nothing at the path, weights not on this machine and not to be fetched.
    """
    import torch

    from sds_bridge.priors.stable_audio_3 import StableAudio3Prior
    from sds_bridge.priors.stable_audio_open import StableAudioOpenPrior

    if dtype not in ("float32", "float16", "bfloat16"):
        raise PriorError(f"dtype {dtype!r} isn't supported; use float32, float16 or bfloat16.")
    if name in ENTRIES:
        source, pipeline = ENTRIES[name].source, ENTRIES[name].pipeline
    elif Path(name).expanduser().is_dir():
        source = str(Path(name).expanduser())
        pipeline = pipeline_of(Path(source))
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
        source, pipeline = name, "StableAudio3Pipeline" if "stable-audio-3" in name else "StableAudioPipeline"
    else:
        raise PriorError(
            f"prior {name!r} is unknown; there are: {', '.join(ENTRIES)}, or a folder, or a hub id. See `sds-bridge priors`."
        )
    kinds: dict[str, type[Prior]] = {
        "StableAudioPipeline": StableAudioOpenPrior,
        "StableAudio3Pipeline": StableAudio3Prior,
    }
    if pipeline not in kinds:
        raise PriorError(f"prior {name!r} is a {pipeline}; supported are {', '.join(kinds)}.")
    return kinds[pipeline](source, name, device, getattr(torch, dtype))  # type: ignore[call-arg]
