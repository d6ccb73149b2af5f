"""Every step of a tune, so that a user can go back along the way. Reading needs no torch."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from sds_bridge.errors import InputError
from sds_bridge.files import replacing
from sds_bridge.patch import Patch
from sds_bridge.synths.parameters import Parameter

FILE = "steps.npz"


class Recorder:
    """Positions 0…1 of every parameter, a row a step, written as they come; a resumed run goes on in the same file.

    Args:
        folder: of the job.
        declared: the synth's parameters, whose order and sizes the columns have.
    """

    def __init__(self, folder: Path, declared: list[Parameter]) -> None:
        self.folder, self.declared = folder, declared
        self.width = sum(p.size for p in declared)
        self.path = folder / ".steps.part"
        self.file = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)

    def add(self, step: int, positions: dict[str, Any]) -> None:
        """Row ``step`` (0 is the start) from arrays or tensors ``[1, size]``."""
        row = np.concatenate([np.asarray(positions[p.name][0], np.float32) for p in self.declared])
        self.file.seek(step * self.width * 4)
        if self.file.write(row.tobytes()) != row.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def row(self, step: int) -> dict[str, np.ndarray]:
        """The arrays ``[1, size]`` that were added as row ``step``."""
        self.file.seek(step * self.width * 4)
        row = np.frombuffer(bytearray(self.file.read(self.width * 4)), np.float32)
        ends = np.cumsum([p.size for p in self.declared])[:-1]
        return {p.name: part[None] for p, part in zip(self.declared, np.split(row, ends), strict=True)}

    def close(self) -> None:
        self.file.close()

    def finish(self, steps: int, note: str = "") -> Path:
        """``steps.npz`` with rows 0…steps and the text ``note``, beside the patch.

        ``path``, what a run that is cut off before all its files are there goes on with, is the caller's to remove.
        """
        self.close()
        rows = np.fromfile(self.path, np.float32, (steps + 1) * self.width).reshape(steps + 1, self.width)
        columns = json.dumps([[p.name, p.size] for p in self.declared])
        with replacing(self.folder / FILE) as beside, open(beside, "wb") as file:
            np.savez_compressed(file, positions=rows, columns=np.array(columns), provenance=np.array(note))
        return self.folder / FILE


def patch_at(folder: Path, step: int, declared: list[Parameter]) -> Patch:
    """The patch after ``step`` steps of the tune in ``folder``; 0 is where it started.

    Raises:
        InputError: the folder holds no history, or not that step.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as stored:
            positions, columns = stored["positions"], json.loads(str(stored["columns"]))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: holds no history ({error}). Give the folder of a finished `sds-bridge tune`."
        ) from None
    if columns != [[p.name, p.size] for p in declared]:
        raise InputError(f"{path}: was written by another version of the synth. Tune again to have its steps.")
    if not 0 <= step < len(positions):
        raise InputError(f"--step {step}: the tune has steps 0 to {len(positions) - 1}.")
    row, values, at = positions[step].astype(float), {}, 0
    for p in declared:
        found = [min(max(float(p.to_value(float(x))), p.low), p.high) for x in row[at : at + p.size]]
        values[p.name] = found if p.size > 1 else found[0]
        at += p.size
    patch = Patch.load(folder / "patch.json")
    provenance = {**patch.provenance, "step": step}
    return patch.model_copy(update={"parameters": values, "provenance": provenance})
