"""A patch as a preset file of any format, those that hold rendered sound included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sds_bridge.formats import catalog
from sds_bridge.patch import Patch
from sds_bridge.tasks import multisample, vital_sample

RENDERED: dict[str, Callable[[Patch, Path, bool], list[str]]] = {
    "sfz": multisample.export,
    "vital": vital_sample.export,
}


def export(patch: Patch, to: str, out: Path, force: bool = False) -> list[str]:
    """Write the file; says what was rounded, merged or dropped.

    Args:
        force: write over a folder of samples that is there already.

    Raises:
        FormatError: an unknown format, one that can't hold this synth, or a file that can't be written.
        InputError: a name that doesn't fit the format.
        PatchError: values that don't fit the synth.
    """
    if to in RENDERED:
        return RENDERED[to](patch, out, force)
    return catalog.write(patch, to, out)
