"""uvicorn in a thread of the daemon's process, on a socket that is bound before the daemon says it listens."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from pathlib import Path

import uvicorn

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.http.app import make_app
from sds_bridge.daemon.ports import holder
from sds_bridge.daemon.store import Endpoint
from sds_bridge.errors import InputError, JobError

START_SECONDS = 10.0
STOP_SECONDS = 5.0
WAKE_SECONDS = 0.5

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    async def main_loop(self) -> None:
        """uvicorn's own wakes ten times a second, which is most of what an idle front would use."""
        while not await self.on_tick(0):
            await asyncio.sleep(WAKE_SECONDS)


class HttpServer:
    """``start`` and ``stop``; ``url`` names the port that was had.

    Raises:
        InputError: the port is taken, and by what if that can be seen, or can't be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        folder: Path,
        access: Access,
        token: str | None = None,
        hosts: frozenset[str] = frozenset(),
        osc: Endpoint = ("127.0.0.1", 9000),
    ) -> None:
        self._socket = _bound(host, port)
        self._app = make_app(folder, access, token, hosts, osc)
        self._server = _Server(
            uvicorn.Config(
                self._app,
                http="h11",
                ws="none",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self.url = "http://{}:{}".format(*self._socket.getsockname())

    def start(self) -> None:
        """Answer requests from now on, in a thread of its own; raises JobError when that doesn't come up."""
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise JobError(f"{self.url}: the HTTP server doesn't start; the log says why. --no-http leaves it out.")
            time.sleep(0.01)

    def _run(self) -> None:
        async def serving() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        try:
            asyncio.run(serving())
        except (Exception, SystemExit):
            log.exception("the HTTP server ended")

    def stop(self) -> None:
        """End what is followed, finish what is answered, and return."""
        if self._thread.is_alive() and self._loop is not None:
            service = getattr(self._app.state, "service", None)
            if service is not None:
                self._loop.call_soon_threadsafe(service.stopping.set)
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would share the port with another program
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise InputError(
            f"port {port} at {host} can't be had: {error.strerror}{holder(port, protocol='tcp')}. "
            "Stop what holds it, or give another --http-port (0 takes a free one)."
        ) from None
    return made
