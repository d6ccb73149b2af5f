"""What jobs take of memory and disk beside the estimate: ``python -m sds_bridge.benchmarks.job_memory``.

Each runs one step in a process of its own, on noise; memory is the process' highest (Linux, macOS).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from sds_bridge.daemon import estimate
from sds_bridge.daemon.room import megabytes
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest

CHILD = """
import importlib, json, resource, sys
from pathlib import Path
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest, parse
kind, values, out = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
importlib.import_module(f"sds_bridge.tasks.{kind}").run(
    parse({"tune": TuneRequest, "separate": SeparateRequest}[kind], values), out, lambda p: None, lambda: False)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, sum(f.stat().st_size for f in out.iterdir())]))
"""
STEMS = ["kick drum", "flute", "rain", "bell", "snare", "piano", "trumpet", "violin"]
TUNES = (
    {"synth": "fm"},
    {"synth": "fm", "batch": 32},
    {"synth": "modal"},
    {"synth": "dx7", "candidates": 8},
    {"synth": "fm", "profile": "paper", "batch": 32},
)
# seconds, stems, mode
SEPARATIONS = ((5, 2, "mask"), (30, 2, "mask"), (30, 8, "mask"), (120, 2, "mask"), (120, 6, "mask"), (30, 2, "latent"))


def main() -> None:
    table = Table("job", "memory", "estimate", "disk", "estimate")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for options in TUNES:
            values: dict[str, Any] = {"prompt": "kick drum", "steps": 1, "candidates": 0} | options
            row(table, folder, "tune", values, estimate.tune(TuneRequest(**values)), str(options))
        for seconds, stems, mode in SEPARATIONS:
            clip = folder / "clip.wav"
            noise = np.random.default_rng(0).standard_normal((seconds * 44_100, 2)) * 0.1
            soundfile.write(clip, noise, 44_100, subtype="PCM_16")
            values = {"clip": str(clip), "stems": STEMS[:stems], "mode": mode, "steps": 1}
            need = estimate.separation(SeparateRequest(**values))
            row(table, folder, "separate", values, need, f"{seconds} s, {stems} stems, {mode}")
    Console().print(table)


def row(table: Table, folder: Path, kind: str, values: dict[str, Any], need: estimate.Need, name: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-c", CHILD, kind, json.dumps(values), out]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    memory, disk = json.loads(found.stdout)
    table.add_row(f"{kind} {name}", megabytes(memory), megabytes(need.memory), megabytes(disk), megabytes(need.disk))


if __name__ == "__main__":
    main()
