"""An OSC request and its answer beside bare echo servers: ``python -m sds_bridge.benchmarks.osc_round_trip``.

The same client asks, in turn, the daemon (idle, HTTP beside it), an echo server by pyliblo3 (liblo, in C) and one by
python-osc, each in a process of its own. The echo servers only send back what came; the daemon checks the request
against its table, and for ``/sds/job/status`` looks a job up.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Annotated

import numpy as np
import typer

from sds_bridge.benchmarks.daemon_process import daemon
from sds_bridge.daemon.osc import encode

PYLIBLO = """
import pyliblo3 as liblo
server = liblo.Server()
server.add_method(None, None, lambda path, values, types, sender: server.send(sender, path, *values))
print(server.port, flush=True)
while True:
    server.recv()
"""
PYTHON_OSC = """
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
dispatcher = Dispatcher()
dispatcher.set_default_handler(lambda path, *values: (path, *values))
server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
WARM = 200


def main(rounds: Annotated[int, typer.Option(help="requests to each")] = 5000) -> None:
    echoes = [_started(code) for code in (PYLIBLO, PYTHON_OSC)]
    try:
        with daemon() as bridge:
            ping, tune = encode("/sds/ping", 1), encode("/sds/tune", 1, "kick", "fm", "steps=0")
            ask(bridge.port, tune)
            targets = {
                "pyliblo3's echo": (echoes[0][1], ping),
                "python-osc's echo": (echoes[1][1], ping),
                "the daemon, /sds/ping": (bridge.port, ping),
                "the daemon, /sds/job/status": (bridge.port, encode("/sds/job/status", 1, 1)),
            }
            time.sleep(12.0)  # the tune of no steps ends, and its worker with it is idle
            print_table(measure(targets, rounds))
    finally:
        for process, _ in echoes:
            process.kill()
            process.wait()


def measure(targets: dict[str, tuple[int, bytes]], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each round trip, the targets taken in turn."""
    sockets = {name: _connected(port) for name, (port, _) in targets.items()}
    took: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(rounds + WARM):
        for name, (_, datagram) in targets.items():
            asking = sockets[name]
            began = time.perf_counter()
            asking.send(datagram)
            asking.recv(65_536)
            if number >= WARM:
                took[name].append(time.perf_counter() - began)
    for asking in sockets.values():
        asking.close()
    return {name: np.array(values) for name, values in took.items()}


def print_table(took: dict[str, np.ndarray]) -> None:
    base = float(np.median(next(iter(took.values()))))
    for name, seconds in took.items():
        p50, p99 = np.percentile(seconds, [50, 99])
        print(f"{name:28} p50 {p50 * 1e6:6.0f} µs   p99 {p99 * 1e6:6.0f} µs   ÷ pyliblo3 {p50 / base:.2f}")


def ask(port: int, datagram: bytes) -> bytes:
    with _connected(port) as asking:
        asking.send(datagram)
        return asking.recv(65_536)


def _connected(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5.0)
    made.connect(("127.0.0.1", port))
    return made


def _started(code: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


if __name__ == "__main__":
    typer.run(main)
