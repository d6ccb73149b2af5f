"""A daemon of its own for a benchmark, in a scratch folder."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.errors import JobError


@dataclass(frozen=True)
class Running:
    port: int
    process: int

    def memory(self) -> int:
        """Resident bytes (Linux)."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process}/status").read_text())
        return int(found[1]) * 1024 if found else 0


@contextmanager
def daemon() -> Iterator[Running]:
    """With HTTP beside OSC, as `sds-bridge serve` has it."""
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "log", "w") as log:
        folder = Path(scratch) / "bridge"
        command = [sys.executable, "-m", "sds_bridge.daemon.app", "--dir", str(folder), "--port", "0"]
        process = subprocess.Popen([*command, "--http-port", "0"], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("listening on osc.udp"):
                raise JobError(f"the daemon doesn't start: {(Path(scratch) / 'log').read_text()[-500:]}")
            process.stdout.readline()
            yield Running(int(line.rsplit(":", 1)[1]), process.pid)
        finally:
            process.terminate()
            process.wait(90)
            process.stdout.close()
