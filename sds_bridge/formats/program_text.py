"""What every format that is a program's text needs of a patch."""

from __future__ import annotations

from sds_bridge.patch import Patch


def title_of(patch: Patch) -> str:
    """Its name without what would end a string or a comment."""
    return "".join(c for c in patch.name if c.isprintable() and c not in '"\\')


def hz_of(note: int) -> float:
    """Equal temperament, MIDI note 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((note - 69) / 12)
