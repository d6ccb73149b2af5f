"""What an engine is: something here, or not, that opens a preset file and plays notes of it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sds_bridge.errors import FormatError

RATE, SECONDS, HOLD = 44_100, 2.0, 1.2
BUILD_SECONDS, PLAY_SECONDS = 300, 60

# (MIDI note, velocity) → ``[round(SECONDS · RATE)]``, mono, the key down for HOLD seconds
Player = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Engine:
    """One engine.

    Args:
        title: as people call it.
        install: how it comes here, in words for a shell.
        version: as installed; None where it isn't.
        opened: a preset file → its player, for as long as the context lasts. Raises FormatError when the engine
            refuses the file.
    """

    title: str
    install: str
    version: Callable[[], str | None]
    opened: Callable[[Path], AbstractContextManager[Player]]

    def state(self) -> str:
        """Its title and version, or how to get it."""
        found = self.version()
        return f"{self.title} {found}" if found else f"{self.title} isn't installed: {self.install}"


def package_version(name: str) -> str | None:
    """Of an installed Python package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def program_version(*command: str) -> str | None:
    """The first word with a digit that a program prints about itself; None where it isn't on the path."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=PLAY_SECONDS)
    words = (done.stdout + done.stderr).split()
    return next((word for word in words if word[0].isdigit()), "of unknown version")


def run(
    engine: str, command: Sequence[str | Path], folder: Path, seconds: int, settings: Mapping[str, str] | None = None
) -> bytes:
    """Standard output of a program run in a folder; raises FormatError with its last words when it fails.

    Args:
        settings: environment variables beside our own.
    """
    environment = {**os.environ, **(settings or {})}
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds, env=environment)
    except subprocess.TimeoutExpired:
        raise FormatError(f"{engine} took longer than {seconds} s with the file. Export a simpler patch.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise FormatError(
            f"{engine} refuses the file: {' '.join(said[-2:])[:300]}. Report this as a bug of the export."
        )
    return done.stdout
