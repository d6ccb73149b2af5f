"""The patch that a file of rendered sound carries along, so that our own export can be tuned on. No torch.

A sampler's file holds no synth; what it was rendered from lies beside the sound as JSON, with the SHA-256 of what
plays it. A file that was changed since is refused: the patch in it is of another sound.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sds_bridge.errors import FormatError, PatchError
from sds_bridge.formats import dx7_voice
from sds_bridge.patch import Patch

LARGEST_BYTES = 64 * 2**20
KEY = "sds_bridge"
MARK = "// sds_bridge "
SECTIONS = ("osc_1", "osc_2", "osc_3", "sample", "filter_1", "filter_2", "filter_fx", "chorus", "compressor",
            "delay", "distortion", "eq", "flanger", "phaser", "reverb")  # fmt: skip
OWN = ("DX7 .syx file", ".vital or .sfz that this program wrote")


def carried(patch: Patch, playing: str) -> dict[str, Any]:
    """What to write beside ``playing``, the part of the file that makes its sound."""
    return {"patch": patch.model_dump(), "of": hashlib.sha256(playing.encode("utf-8")).hexdigest()}


def into_vital(text: str, patch: Patch) -> str:
    """A .vital text with the patch in it; Vital reads over what it doesn't know."""
    content = json.loads(text)
    return json.dumps({**content, KEY: carried(patch, _settings(content))}, indent=1, sort_keys=True) + "\n"


def into_sfz(text: str, patch: Patch) -> str:
    """An .sfz text with the patch in a comment at its end."""
    return text + MARK + json.dumps(carried(patch, text), sort_keys=True) + "\n"


def load(path: str | Path) -> list[Patch]:
    """The patches of a preset file: a DX7's, or the one that a .vital or .sfz of ours carries.

    Raises:
        FormatError: can't be read, is of no such kind, or holds what no synth here can play.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".vital", ".sfz"):
        return dx7_voice.load(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FormatError(
                f"{path}: larger than {LARGEST_BYTES // 2**20} MiB. Give a {kind} that this program wrote."
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"{path}: can't be read ({error.strerror}). Give a {' or a '.join(OWN)}.") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not a text. Give a {kind} that this program wrote.") from None
    return [_from_vital(text, path) if kind == ".vital" else _from_sfz(text, path)]


def _from_vital(text: str, path: Path) -> Patch:
    content = _json(text, path)
    settings = content.get("settings")
    if not isinstance(settings, dict):
        raise FormatError(f"{path}: has no settings, so it is no Vital preset. Give a .vital that this program wrote.")
    if KEY not in content:
        parts = [name for name in SECTIONS if settings.get(f"{name}_on")]
        raise FormatError(
            f"{path}: a Vital preset of {', '.join(parts) or 'no sounding part'}, whose wavetables, filters and"
            f" modulations no synth here has. Give a .vital that this program wrote, or match a synth to its sound."
        )
    return _checked(content[KEY], _settings(content), path)


def _from_sfz(text: str, path: Path) -> Patch:
    head, mark, last = text.rpartition(MARK)
    if not mark:
        raise FormatError(
            f"{path}: an SFZ of recorded samples, and no synth here plays samples."
            " Give an .sfz that this program wrote, or match a synth to one of its samples."
        )
    return _checked(_json(last, path), head, path)


def _json(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise FormatError(f"{path}: not whole, its JSON can't be read. Give the file as it was exported.")
    return content


def _settings(content: dict[str, Any]) -> str:
    return json.dumps(content["settings"], sort_keys=True)


def _checked(found: Any, playing: str, path: Path) -> Patch:
    try:
        patch = Patch.model_validate(found["patch"])
        same = found["of"] == carried(patch, playing)["of"]
    except (TypeError, KeyError, ValueError, PatchError):
        raise FormatError(f"{path}: the patch in it is not whole. Give the file as it was exported.") from None
    if not same:
        raise FormatError(
            f"{path}: was changed after the export, so the patch in it is of another sound. Give the file as exported."
        )
    return patch
