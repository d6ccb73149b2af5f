"""The folder that a task writes into. Nothing of the user's is overwritten unless forced."""

from __future__ import annotations

from pathlib import Path

from sds_bridge.errors import InputError


def claim(folder: str | Path, force: bool = False) -> Path:
    """Make the output folder, or refuse one that has something in it."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Give a folder for --out.")
    if folder.exists() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder}: not empty. Give another --out, or --force to write into it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be made ({error.strerror}). Give a folder you may write to.") from None
    return folder
