"""Many OSC requests beside a tune: ``python -m sds_bridge.benchmarks.osc_load``.

Four client processes send at an even pace whether answers come or not: 40 % pings, 40 % job states, 10 % job lists,
10 % to an address that isn't, which are answered on ``/sds/error``. Latency counts from when a request was due, so
that a client held up adds to it. The same tune is paced before, during and after.
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Annotated, Any

import numpy as np
import typer

from sds_bridge.benchmarks.daemon_process import Running, daemon
from sds_bridge.daemon.client import Client
from sds_bridge.daemon.osc import encode

CLIENTS = 4
LATE_SECONDS = 2.0
_ID = 0x01020304


def main(
    seconds: Annotated[float, typer.Option(help="of load")] = 60.0,
    rate: Annotated[int, typer.Option(help="requests a second, of all clients")] = 1000,
) -> None:
    with daemon() as bridge, Client(port=bridge.port) as client:
        job = client.tune("kick drum", "fm", steps=100_000, candidates=0)
        while client.status(job).step < 5:
            time.sleep(0.2)
        before = pace(client, job, seconds / 3)
        found, during = under_load(bridge, job, seconds, rate, lambda: pace(client, job, seconds))
        after = pace(client, job, seconds / 3)
        client.cancel(job)
    alone = (before + after) / 2
    latencies = found["latencies"] * 1000
    p50, p99, p100 = np.percentile(latencies, [50, 99, 100])
    print(f"requests sent {found['sent']}, answered {len(latencies)}, unanswered {found['sent'] - len(latencies)}")
    print(f"answer p50 {p50:.2f} ms, p99 {p99:.2f} ms, slowest {p100:.1f} ms")
    print(
        f"tune step alone {before * 1000:.0f} and {after * 1000:.0f} ms, under load {during * 1000:.0f} ms: {during / alone - 1:+.1%}"
    )
    first, last = found["memory"]
    print(f"daemon's memory {first / 1e6:.1f} MB in the first second, {last / 1e6:.1f} MB at the end")


def pace(client: Client, job: int, seconds: float) -> float:
    """Seconds a step, over whole steps."""
    changes: list[tuple[float, int]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step = client.status(job).step
        if not changes or step != changes[-1][1]:
            changes.append((time.monotonic(), step))
        time.sleep(0.05)
    (began, first), (ended, last) = changes[1], changes[-1]
    return (ended - began) / (last - first)


def under_load(
    bridge: Running, job: int, seconds: float, rate: int, meanwhile: Callable[[], float]
) -> tuple[dict[str, Any], float]:
    """What the clients saw, and what ``meanwhile`` gave."""
    spawn = multiprocessing.get_context("spawn")
    results: Queue[tuple[int, list[float]]] = spawn.Queue()
    clients = [
        spawn.Process(target=client_process, args=(bridge.port, job, rate / CLIENTS, seconds, results))
        for _ in range(CLIENTS)
    ]
    for one in clients:
        one.start()
    time.sleep(3.0)  # they import
    first = bridge.memory()
    paced = meanwhile()
    last = bridge.memory()
    answers = [results.get(timeout=seconds + 60) for _ in clients]
    for one in clients:
        one.join()
    latencies = np.array([latency for _, seen in answers for latency in seen])
    return {"sent": sum(sent for sent, _ in answers), "latencies": latencies, "memory": (first, last)}, paced


def client_process(port: int, job: int, rate: float, seconds: float, results: Queue[tuple[int, list[float]]]) -> None:
    requests = [
        *[encode("/sds/ping", _ID)] * 4,
        *[encode("/sds/job/status", _ID, job)] * 4,
        encode("/sds/job/list", _ID),
        encode("/sds/nothing", _ID),
    ]
    cut = [tuple(datagram.split(struct.pack(">i", _ID))) for datagram in requests]
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.connect(("127.0.0.1", port))
    total = round(rate * seconds)
    latency: dict[int, float] = {}
    sent, begun = 0, time.perf_counter()
    while len(latency) < total:
        now = time.perf_counter() - begun
        if sent < total and now >= sent / rate:
            head, tail = cut[sent % len(cut)]
            asking.send(head + struct.pack(">i", sent) + tail)
            sent += 1
            continue
        wait = sent / rate - now if sent < total else seconds + LATE_SECONDS - now
        if wait <= 0:
            break
        if select.select((asking,), (), (), wait)[0]:
            number = echoed(asking.recv(65_536))
            latency.setdefault(number, time.perf_counter() - begun - number / rate)
    results.put((sent, list(latency.values())))


def echoed(datagram: bytes) -> int:
    """The integer id that an answer begins with."""
    tags = datagram.index(b",")
    at = datagram.index(b"\0", tags) // 4 * 4 + 4
    return int(struct.unpack_from(">i", datagram, at)[0])


if __name__ == "__main__":
    typer.run(main)
