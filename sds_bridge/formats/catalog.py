"""The preset formats by name, and writing a patch to one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.errors import FormatError
from sds_bridge.formats import dx7, dx7_bank, dx7_voice, faust
from sds_bridge.patch import Patch


@dataclass(frozen=True)
class Format:
    """One preset format.

    Args:
        suffix: of its files.
        description: one line.
        exports: by synth: patch → file content, and what was rounded, merged or dropped in plain words.
    """

    suffix: str
    description: str
    exports: dict[str, Callable[[Patch], tuple[bytes | str, list[str]]]]


FORMATS = {
    "dx7": Format(
        ".syx",
        "Yamaha DX7 voice, for a DX7, Dexed and other DX7 players: all of a dx7 patch; an fm patch without noise and room, its matrix as one of 32 algorithms",
        {"dx7": dx7_voice.export, "fm": dx7.export},
    ),
    "faust": Format(
        ".dsp",
        "Faust program with pm.modalModel, compiles to plug-ins and web audio: all but the room",
        {"modal": faust.export},
    ),
}


def bank(patches: list[Patch]) -> tuple[bytes, list[str]]:
    """Up to 32 patches of ``dx7`` or ``fm`` as a DX7 bank, and what was lost, by number."""
    voices, report = [], []
    for number, patch in enumerate(patches, 1):
        content, lines = export(patch, "dx7")
        voices += dx7_bank.read_voices(bytes(content))
        report += [f"{number}: {line}" for line in lines]
    device = patches[0].provenance.get("device", 0) if patches else 0
    return dx7_bank.write_bank(voices, device), report


def export(patch: Patch, to: str) -> tuple[bytes, list[str]]:
    """A patch as a file's content; raises FormatError for an unknown format, or one that can't hold its synth."""
    if to not in FORMATS:
        raise FormatError(f"format {to!r} is unknown; there are: {', '.join(FORMATS)}. Choose one of them.")
    exports = FORMATS[to].exports
    if patch.synth not in exports:
        fitting = [name for name, one in FORMATS.items() if patch.synth in one.exports]
        raise FormatError(
            f"{to} takes patches of {' and '.join(exports)}; this one is {patch.synth}."
            f" Export it to {' or '.join(fitting) or 'nothing yet'}."
        )
    content, report = exports[patch.synth](patch)
    return content.encode("utf-8") if isinstance(content, str) else content, report


def write(patch: Patch, to: str, path: str | Path) -> list[str]:
    """Export a patch to a file, replaced as a whole; returns what was rounded, merged or dropped.

    Raises:
        FormatError: an unknown format, a patch of another synth, or a file that can't be written.
    """
    content, report = export(patch, to)
    save(content, path)
    return report


def save(content: bytes, path: str | Path) -> None:
    """Write beside, then rename; raises FormatError when that can't be done."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise FormatError(
            f"{path}: can't be written ({error.strerror}). Give a file in a folder you may write to."
        ) from None
