"""The preset formats by name, and writing a patch to one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.errors import FormatError
from sds_bridge.formats import dx7, faust
from sds_bridge.patch import Patch


@dataclass(frozen=True)
class Format:
    """One preset format.

    Args:
        synth: whose patches it takes.
        suffix: of its files.
        description: one line.
        export: patch → file content, and what was rounded, merged or dropped in plain words.
    """

    synth: str
    suffix: str
    description: str
    export: Callable[[Patch], tuple[bytes | str, list[str]]]


FORMATS = {
    "dx7": Format("fm", ".syx", "Yamaha DX7 voice, for a DX7, Dexed and other DX7 players", dx7.export),
    "faust": Format(
        "modal", ".dsp", "Faust program with pm.modalModel, compiles to plug-ins and web audio", faust.export
    ),
}


def write(patch: Patch, to: str, path: str | Path) -> list[str]:
    """Export a patch to a file, replaced as a whole; returns what was rounded, merged or dropped.

    Raises:
        FormatError: an unknown format, a patch of another synth, or a file that can't be written.
    """
    if to not in FORMATS:
        raise FormatError(f"format {to!r} is unknown; there are: {', '.join(FORMATS)}. Choose one of them.")
    content, report = FORMATS[to].export(patch)
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise FormatError(
            f"{path}: can't be written ({error.strerror}). Give a file in a folder you may write to."
        ) from None
    return report
