"""The daemon itself: one loop that answers OSC, tells clients of their jobs and keeps the worker alive; HTTP beside it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sds_bridge import __version__
from sds_bridge.daemon.access import Access, defaults
from sds_bridge.daemon.admission import FILE as TOKEN_FILE
from sds_bridge.daemon.admission import Admission, is_loopback, names_of, token_of
from sds_bridge.daemon.announce import Announcer
from sds_bridge.daemon.commands import Commands
from sds_bridge.daemon.crowd import GATHER_SECONDS, Crowd
from sds_bridge.daemon.lock import ProcessLock
from sds_bridge.daemon.monitor import Monitor
from sds_bridge.daemon.osc import Socket
from sds_bridge.daemon.retention import KEEP_ALL, Keep, Sweeper, keep_of, told
from sds_bridge.daemon.silence import HUNG_SECONDS
from sds_bridge.daemon.store import Status, Store
from sds_bridge.daemon.supervisor import WORKER, Supervisor
from sds_bridge.errors import InputError, SdsBridgeError

TICK_SECONDS = 0.05

log = logging.getLogger(__name__)


def serve(
    folder: Path,
    port: int = 9000,
    reply_port: int | None = None,
    host: str = "127.0.0.1",
    allow: Sequence[Path] = (),
    worker: Sequence[str] = WORKER,
    http_port: int | None = None,
    token: str | None = None,
    hung: float = HUNG_SECONDS,
    keep: Keep = KEEP_ALL,
) -> None:
    """Run until SIGINT or SIGTERM; the running job then stops at its next step and goes on at the next start.

    Args:
        folder: holds ``jobs.sqlite`` and ``jobs/<id>/``; made when missing. One daemon a folder.
        port: UDP; 0 takes a free one, which the line ``listening on …`` names.
        reply_port: answers and pushes go there too, at the asking address.
        allow: folders that clients may name files in, besides ``folder``; none means the current one.
        worker: the command that starts the worker.
        http_port: TCP, for HTTP and the page; 0 takes a free one, None leaves HTTP out.
        host: beyond loopback every request needs a token.
        token: asked for on loopback too; None takes ``folder/token`` where one is needed, and makes that when missing.
        hung: seconds of silence after which a worker is ended and its job tried again.
        keep: how long results are kept, and how much of them.

    Raises:
        InputError: a port or host that can't be had, a folder or token that can't be used.
        JobError: the job store can't be used.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s daemon %(levelname)s %(message)s")
    _check(port, reply_port, http_port, allow)
    local = is_loopback(host)
    folder = _prepare(folder)
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(ProcessLock(folder / "daemon.lock", 1.0))
        except TimeoutError as error:
            raise InputError(
                f"{folder}: another daemon works in it ({error}). Send your requests to that one, stop it, "
                "or give another --dir."
            ) from None
        kept = token is None
        if token is not None or not local:
            token = token_of(folder, token)
        store = Store(folder / "jobs.sqlite")
        stack.callback(store.close)
        osc = Socket(host, port)
        stack.callback(osc.close)
        supervisor = Supervisor(store, folder, worker, hung)
        supervisor.recover()
        access = Access([*allow, folder] if allow else defaults(folder), private=[folder / TOKEN_FILE])
        http = None
        if http_port is not None:
            from sds_bridge.daemon.http.server import HttpServer  # 20 MB that --no-http spares

            http = HttpServer(host, http_port, folder, access, token, names_of(host), osc.endpoint)
            stack.callback(http.stop)
        where = f"OSC port {osc.endpoint[1]}"
        lock.tell(where if http is None else f"{where}, page at {http.url}")
        sweeper = Sweeper(store.path, folder, keep)
        sweeper.start()
        stack.callback(sweeper.stop)
        if told(keep):
            log.info("%s", told(keep))
        monitor = Monitor(osc.send)
        commands = Commands(store, access, folder, osc.endpoint[1], reply_port, osc.send, Admission(token), monitor)
        announcer = Announcer(store, folder, monitor.send)
        _say_hello(store, osc, reply_port)
        with _signals() as stopping:
            print(f"listening on osc.udp://{osc.endpoint[0]}:{osc.endpoint[1]}", flush=True)
            if http is not None:
                http.start()
                print(f"listening on {http.url}", flush=True)
            if token is not None:
                where = f"it is in {folder / TOKEN_FILE}" if kept else "it is the one that was given"
                print(f"a token is needed; {where}", flush=True)
            try:
                _loop(osc, commands, announcer, supervisor, stopping)
            finally:
                supervisor.stop()
                announcer.tick()


def _loop(
    osc: Socket, commands: Commands, announcer: Announcer, supervisor: Supervisor, stopping: threading.Event
) -> None:
    due = 0.0
    crowd, running = Crowd(), False
    while not stopping.is_set():
        gathering = running and crowd.here
        received = osc.receive(0.0 if gathering else max(0.0, due - time.monotonic()))
        if received is not None:
            crowd.heard(received[1])
            commands.handle(*received)
        elif gathering:
            time.sleep(GATHER_SECONDS)
        if time.monotonic() < due:
            continue
        try:
            running = announcer.tick()
            supervisor.tick()
            due = time.monotonic() + TICK_SECONDS
        except sqlite3.Error as error:
            log.error("the job store can't be used just now: %s", error)
            due = time.monotonic() + 1.0


def _say_hello(store: Store, osc: Socket, reply_port: int | None) -> None:
    jobs = [*store.with_status(Status.QUEUED), *store.with_status(Status.RUNNING), *store.to_announce()]
    clients = [to for job in jobs for to in job.reply]
    if reply_port:
        here = osc.endpoint[0]
        clients.append(("127.0.0.1" if here == "0.0.0.0" else here, reply_port))
    for to in dict.fromkeys(clients):
        osc.send(to, "/sds/startup", __version__, osc.endpoint[1])


def _check(port: int, reply_port: int | None, http_port: int | None, allow: Sequence[Path]) -> None:
    for name, value, lowest in (("--port", port, 0), ("--reply-port", reply_port, 1), ("--http-port", http_port, 0)):
        if value is not None and not lowest <= value <= 65535:
            raise InputError(f"{name} {value}: give a number from {lowest} to 65535.")
    if reply_port is not None and reply_port == port:
        raise InputError(
            f"--reply-port {reply_port}: is the daemon's own port. Give the one that the client listens on."
        )
    for path in allow:
        if not Path(path).expanduser().is_dir():
            raise InputError(f"--allow {path}: no such folder. Give a folder that exists.")


def _prepare(folder: Path) -> Path:
    folder = Path(folder).expanduser().resolve()
    try:
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be made ({error.strerror}). Give a --dir you may write to.") from None
    return folder


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second has its usual effect."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before: dict[int, Callable[..., object] | int | None] = {}

    def stop(number: int, frame: object) -> None:
        log.info("stopping; the running job is put back")
        stopping.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    for caught in (signal.SIGINT, signal.SIGTERM):
        before[caught] = signal.signal(caught, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sds_bridge.daemon.app", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--reply-port", type=int)
    parser.add_argument("--http-port", type=int, help="0 takes a free one; without it no HTTP")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--token", default=os.environ.get("SDS_BRIDGE_TOKEN"), help="better by $SDS_BRIDGE_TOKEN")
    parser.add_argument("--allow", type=Path, action="append", default=[])
    parser.add_argument("--hung-after", type=float, default=HUNG_SECONDS)
    parser.add_argument("--keep-days", type=float)
    parser.add_argument("--keep-gb", type=float)
    given = parser.parse_args(arguments)
    try:
        serve(
            given.dir,
            given.port,
            given.reply_port,
            given.host,
            given.allow,
            http_port=given.http_port,
            token=given.token,
            hung=given.hung_after,
            keep=keep_of(given.keep_days, given.keep_gb),
        )
    except SdsBridgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
