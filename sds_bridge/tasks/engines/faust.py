"""Faust programs: ``faust`` translates them, g++ compiles them, and the executable plays a note."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sds_bridge.formats.program_text import hz_of
from sds_bridge.tasks.engines.base import (
    BUILD_SECONDS,
    HOLD,
    PLAY_SECONDS,
    RATE,
    SECONDS,
    Engine,
    Player,
    program_version,
    run,
)

ARCHITECTURE = Path(__file__).with_name("faust_player.cpp")


def version() -> str | None:
    return program_version("faust", "--version") if shutil.which("g++") else None


def build(program: Path, folder: Path) -> Path:
    """The executable; raises FormatError when the program doesn't compile."""
    source, built = folder / "patch.cpp", folder / "patch"
    translate: list[str | Path] = [
        "faust",
        "-double",
        "-lang",
        "cpp",
        "-a",
        ARCHITECTURE,
        program.resolve(),
        "-o",
        source,
    ]
    run("faust", translate, folder, BUILD_SECONDS)
    run("g++", ["g++", "-O1", "-w", "-o", built, source], folder, BUILD_SECONDS)
    return built


def play(
    executable: Path, *, hz: float, gain: float, hold: float = HOLD, seconds: float = SECONDS, rate: int = RATE
) -> np.ndarray:
    """``[2, samples]``: the gate goes up at the first sample and down after ``hold`` seconds; gain is 0…1."""
    arguments = [str(value) for value in (rate, seconds, hold, hz, gain)]
    sound = run("the Faust program", [executable, *arguments], executable.parent, PLAY_SECONDS)
    return np.frombuffer(sound, dtype=np.float32).reshape(-1, 2).T.astype(np.float64)


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    with tempfile.TemporaryDirectory(prefix="sds-faust-") as folder:
        executable = build(path, Path(folder))
        yield lambda note, velocity: play(executable, hz=hz_of(note), gain=velocity / 127).mean(0)


ENGINE = Engine("Faust", "apt-get install faust g++", version, opened)
