"""A daemon as a user starts it: a process of its own, with its log kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sds_bridge.daemon.client import Client, JobState
from sds_bridge.daemon.store import Status

WORKER_MODULE = "sds_bridge.daemon.worker"


class DaemonProcess:
    """``with DaemonProcess(folder) as daemon: daemon.client.tune(…)``; restarted on one ``port`` it is found again."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self._log = self.log.open("ab")
        command = [sys.executable, "-m", "sds_bridge.daemon.app", "--dir", str(folder), "--port", str(port), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on osc.udp://"), line + self.log.read_text()
        self.port = int(line.rsplit(":", 1)[1])
        if "--http-port" in arguments:
            line = self.process.stdout.readline()
            assert line.startswith("listening on http://"), line + self.log.read_text()
            self.http = line.removeprefix("listening on ").strip()
        self.client = Client(port=self.port)

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(90)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def workers(self) -> list[int]:
        """The process ids of this daemon's workers."""
        found = []
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = status.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if WORKER_MODULE in words and str(self.folder) in words:
                found.append(int(status.parent.name))
        return found

    def kill_all(self) -> None:
        """``kill -9`` of the daemon and its worker."""
        workers = self.workers()
        self.process.kill()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        self.process.wait(10)

    def until(self, job: int, steps: int, timeout: float = 120.0) -> JobState:
        """Wait until ``job`` has done ``steps``."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            state = self.client.status(job)
            assert state.status in (Status.QUEUED, Status.RUNNING), state
            if state.step >= steps:
                return state
            time.sleep(0.02)
        raise AssertionError(f"job {job} not at step {steps} after {timeout} s: {state}\n{self.log.read_text()}")


def no_traceback(daemon: DaemonProcess) -> None:
    assert "Traceback" not in daemon.log.read_text()
