"""``kill -9`` at random moments over a queue: ``python -m sds_bridge.benchmarks.kill_soak``.

The same jobs are done twice, undisturbed and with the worker, the daemon or both killed again and again; a daemon that
was killed is started again. All must end, each once, and leave the same bytes (but for the seconds that ``job.json``
and the log tell).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import soundfile
import typer

from sds_bridge.daemon.client import Client
from sds_bridge.daemon.store import Job, Status, Store
from sds_bridge.errors import JobError

VICTIMS = ("worker", "daemon", "both")
WORKER = "sds_bridge.daemon.worker"
JOB_SECONDS = 300.0
Kind = tuple[str, dict[str, Any]]

KINDS: tuple[Kind, ...] = (
    ("tune", {"prompt": "kick drum", "synth": "fm", "steps": 12, "candidates": 8}),
    ("separate", {"stems": ["flute", "snare"], "steps": 6}),
    ("tune", {"prompt": "wooden pot", "synth": "modal", "steps": 8, "candidates": 0}),
    ("tune", {"prompt": "bell", "synth": "fm", "steps": 16, "batch": 2, "candidates": 0}),
    ("tune", {"prompt": "electric piano", "synth": "dx7", "steps": 4, "candidates": 0, "algorithm": 5}),
)


@dataclass
class Bridge:
    """A daemon in ``folder`` that can be killed and started again, on the port that it had."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        command = [sys.executable, "-m", "sds_bridge.daemon.app", "--dir", str(self.folder), "--port", str(self.port)]
        command += ["--allow", str(self.folder.parent)]
        with open(self.folder.parent / f"{self.folder.name}.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening on osc.udp"):
            raise JobError(f"the daemon doesn't start; {log.name} says why")
        self.port = int(line.rsplit(":", 1)[1])

    def workers(self) -> list[int]:
        """Process ids (Linux)."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = file.read_bytes().decode(errors="replace").split("\0")
                if WORKER in words and str(self.folder) in words:
                    found.append(int(file.parent.name))
        return found

    def kill(self, victim: str) -> None:
        assert self.process is not None
        workers = self.workers() if victim != "daemon" else []
        if victim != "worker":
            self._close(self.process.kill)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def _close(self, end: Callable[[], None]) -> None:
        assert self.process is not None and self.process.stdout is not None
        end()
        self.process.wait(90)
        self.process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self._close(self.process.terminate)


def queue(client: Client, jobs: int, clip: Path, seed: int) -> list[int]:
    """Queue the kinds in turn, each job with a seed of its own."""
    made = []
    for number in range(jobs):
        kind, options = KINDS[number % len(KINDS)]
        options = dict(options) | {"seed": seed + number}
        if kind == "tune":
            made.append(client.tune(options.pop("prompt"), options.pop("synth"), **options))
        else:
            made.append(client.separate(clip, options.pop("stems"), **options))
    return made


def disturb(bridge: Bridge, kills: int, longest: float, chance: random.Random) -> Counter[str]:
    """Kill at random moments until ``kills`` hit, or every job has ended; who was hit how often."""
    store, hit = Store(bridge.folder / "jobs.sqlite"), Counter[str]()
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    chance.shuffle(victims)
    while victims and store.living():
        time.sleep(chance.uniform(0.0, longest))
        victim = victims.pop()
        bridge.kill(victim)
        hit[victim] += 1
        if victim != "worker":
            bridge.start()
    store.close()
    return hit


def written(folder: Path) -> dict[str, bytes]:
    """What a job left, ``job.json`` without how long it took."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if file.name == "job.json":
            record = json.loads(content)
            record.pop("seconds")
            content = json.dumps(record).encode()
        found[file.relative_to(folder).as_posix()] = content
    return found


def faults(undisturbed: Path, disturbed: Path, jobs: Sequence[int]) -> list[str]:
    """What differs from how it should be, a line each."""
    store = Store(disturbed / "jobs.sqlite")
    ended: list[Job] = [store.get(job) for job in jobs]
    found = [
        f"job {job.id}: {job.status}, {job.error or job.message}" for job in ended if job.status is not Status.DONE
    ]
    ends = store.ends()
    if ends != len(jobs):
        found.append(f"{len(jobs)} jobs ended {ends} times")
    for job in jobs:
        one, other = (written(folder / "jobs" / str(job)) for folder in (undisturbed, disturbed))
        if one.keys() != other.keys():
            found.append(f"job {job}: left {sorted(other)}, undisturbed {sorted(one)}")
        found += [f"job {job}: {name} differs" for name in one.keys() & other.keys() if one[name] != other[name]]
    store.close()
    return found


def soak(scratch: Path, jobs: int, kills: int, longest: float, seed: int) -> tuple[list[str], str]:
    """The faults, and what was done in a line."""
    clip = scratch / "clip.wav"
    noise = np.random.default_rng(seed).standard_normal((44_100 * 3, 2)) * np.linspace(0.3, 0.01, 44_100 * 3)[:, None]
    soundfile.write(clip, noise, 44_100, subtype="PCM_16")
    calm, rough = scratch / "calm", scratch / "rough"
    for folder in (calm, rough):
        folder.mkdir()
    began = time.monotonic()
    with Bridge(calm) as bridge, Client(port=bridge.port) as client:
        numbers = queue(client, jobs, clip, seed)
        for job in numbers:
            client.wait(job, timeout=JOB_SECONDS)
    alone, began = time.monotonic() - began, time.monotonic()
    with Bridge(rough) as bridge, Client(port=bridge.port) as client:
        if queue(client, jobs, clip, seed) != numbers:
            raise JobError("the jobs have other numbers than before")
        hit = disturb(bridge, kills, longest, random.Random(seed))
        for job in numbers:
            client.wait(job, timeout=JOB_SECONDS)
        attempts = [bridge_attempts(rough, job) for job in numbers]
    took = time.monotonic() - began
    who = ", ".join(f"{victim} {count}" for victim, count in sorted(hit.items()))
    return faults(calm, rough, numbers), (
        f"{jobs} jobs, {hit.total()} kills ({who}), attempts a job {min(attempts)} to {max(attempts)}; "
        f"{alone:.0f} s undisturbed, {took:.0f} s with the kills"
    )


def bridge_attempts(folder: Path, job: int) -> int:
    store = Store(folder / "jobs.sqlite")
    found = store.get(job).attempts
    store.close()
    return found


def main(
    jobs: Annotated[int, typer.Option(help="queued jobs")] = 10,
    kills: Annotated[int, typer.Option(help="kill -9s")] = 20,
    longest: Annotated[float, typer.Option(help="seconds between two kills, at most")] = 16.0,
    seed: Annotated[int, typer.Option(help="of the moments, victims and jobs")] = 0,
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found, done = soak(Path(scratch), jobs, kills, longest, seed)
    print(done)
    print("\n".join(found) or "all ended once, and left the same bytes")
    raise typer.Exit(bool(found))


if __name__ == "__main__":
    typer.run(main)
