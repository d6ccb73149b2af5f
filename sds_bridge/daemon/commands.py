"""What each OSC address does: a datagram in, answers out. Nothing here runs a job."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sds_bridge import __version__
from sds_bridge.daemon.access import Access, job_folder
from sds_bridge.daemon.addresses import TABLE, Call, check, find, request_id
from sds_bridge.daemon.admission import NEEDED, Admission, Allowance
from sds_bridge.daemon.intake import Intake, what
from sds_bridge.daemon.monitor import HELLO, Monitor
from sds_bridge.daemon.osc import MalformedError, Message, Value, decode
from sds_bridge.daemon.store import Endpoint, Job, Store
from sds_bridge.errors import InputError, SdsBridgeError

MOST_SOCKETS_REMEMBERED = 256
MOST_LOGGED = 20
_MOST_KEPT = 1000
_LIST_BYTES = 3000

log = logging.getLogger(__name__)
Send = Callable[..., None]
Answer = list[list[Value]]


class Commands:
    """Answers go to the socket that asked and, where one was set, to the reply port at its address too.

    How jobs are is read from the store again only when something was written to it.
    """

    def __init__(
        self,
        store: Store,
        access: Access,
        folder: Path,
        port: int,
        reply_port: int | None,
        send: Send,
        admission: Admission | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self._store, self._folder, self._port = store, folder, port
        self._admission = admission or Admission()
        self._monitor = monitor or Monitor(send)
        self._logged, self._unlogged = Allowance(MOST_LOGGED), 0
        self._kept: dict[int, Answer] = {}
        self._kept_at: object = None
        self._intake = Intake(store, access, folder)
        self._reply_port, self._send = reply_port, self._monitor.send
        self._by_socket: dict[Endpoint, int] = {}
        self._by_host: dict[str, int] = {}
        self._handlers: dict[str, Callable[[Call, Endpoint], Answer]] = {
            "/sds/tune": self._tune,
            "/sds/separate": self._separate,
            "/sds/job/cancel": self._cancel,
            "/sds/job/status": self._status,
            "/sds/job/list": self._list,
            "/sds/ping": lambda call, sender: [[__version__]],
            "/sds/help": self._help,
            "/sds/client/reply_port": self._set_reply_port,
            HELLO: self._hello,
            "/sds/monitor": self._watch,
        }
        self._rows = _help_rows()

    def handle(self, datagram: bytes, sender: Endpoint) -> None:
        """Do what a datagram says and answer it; whatever it holds, this returns."""
        try:
            messages = decode(datagram)
        except MalformedError as error:
            self._monitor.heard(sender, "", [datagram[:64]])
            self._refuse(sender, "", str(error))
            return
        for message in messages:
            self._monitor.heard(sender, message.address, message.values)
            self._one(message, sender)

    def _one(self, message: Message, sender: Endpoint) -> None:
        if message.address in TABLE and TABLE[message.address].pushed:
            self._warn(f"{sender[0]}:{sender[1]} sent {message.address}, which only a daemon sends; not answered")
            return
        asked = request_id(message.values)
        if message.address != HELLO and not self._admission.admitted(sender[0]):
            self._refuse(sender, asked, NEEDED)
            return
        try:
            address = find(message.address)
            call = check(address, message.values)
            answers = self._handlers[address.path](call, sender)
        except SdsBridgeError as error:
            self._refuse(sender, "" if message.address == HELLO and len(message.values) < 2 else asked, str(error))
            return
        except Exception as error:
            log.exception("%s from %s:%d", message.address[:80], *sender)
            why = f"internal error ({type(error).__name__}: {error}). The daemon's log says more."
            self._refuse(sender, asked, f"{message.address[:80]}: {why}")
            return
        for answer in answers:
            for to in self.endpoints(sender):
                self._send(to, address.path, call.id, *answer)

    def _refuse(self, sender: Endpoint, asked: Value, text: str) -> None:
        if not self._admission.may_refuse(sender[0]):
            return
        text = " ".join(text.split())
        self._warn(f"refused {sender[0]}:{sender[1]}: {text}")
        for to in self.endpoints(sender):
            self._send(to, "/sds/error", asked, text)

    def _warn(self, text: str) -> None:
        """A flood of bad requests must not fill the disk with log."""
        if not self._logged.take():
            self._unlogged += 1
            return
        more = f" ({self._unlogged} such lines before it left out)" if self._unlogged else ""
        self._unlogged = 0
        log.warning("%s%s", text, more)

    def endpoints(self, sender: Endpoint) -> tuple[Endpoint, ...]:
        """Where answers to ``sender`` go."""
        port = self._by_socket.get(sender, self._by_host.get(sender[0], self._reply_port))
        return tuple(dict.fromkeys([sender, (sender[0], port)])) if port else (sender,)

    def _tune(self, call: Call, sender: Endpoint) -> Answer:
        values: dict[str, Any] = call.values | call.options
        if "lock" in values:
            values["lock"] = [name.strip() for name in values["lock"].split(",") if name.strip()]
        return self._queue(self._intake.tune, values, call, sender)

    def _separate(self, call: Call, sender: Endpoint) -> Answer:
        return self._queue(self._intake.separate, call.values | call.options, call, sender)

    def _queue(self, take: Callable[..., Job], values: dict[str, Any], call: Call, sender: Endpoint) -> Answer:
        token, priority = values.pop("token", None), _whole("priority", values.pop("priority", "0"))
        job = take(values, call.id, self.endpoints(sender), token, priority)
        return [[job.id, str(job_folder(self._folder, job.id))]]

    def _cancel(self, call: Call, sender: Endpoint) -> Answer:
        job = self._store.request_cancel(call.values["job"])
        return [[job.id, "cancelling" if not job.status.ended else str(job.status)]]

    def _status(self, call: Call, sender: Endpoint) -> Answer:
        return self._unchanged(call.values["job"], self._how)

    def _how(self, number: int) -> Answer:
        job = self._store.get(number)
        folder = str(job_folder(self._folder, job.id))
        return [
            [job.id, str(job.status), job.step, job.steps, float(job.seconds_left), folder, job.error or job.message]
        ]

    def _list(self, call: Call, sender: Endpoint) -> Answer:
        return self._unchanged(0, self._newest)

    def _newest(self, _: int) -> Answer:
        texts: list[Value] = []
        room = _LIST_BYTES
        for job in self._store.newest():
            text = f"{job.id} {job.status} {job.kind} {what(job)[:80]}"
            room -= len(text.encode()) + 8
            if room < 0:
                break
            texts.append(text)
        return [texts]

    def _unchanged(self, key: int, read: Callable[[int], Answer]) -> Answer:
        """What ``read(key)`` gave since the store was last written to."""
        version = self._store.version()
        if version != self._kept_at or len(self._kept) > _MOST_KEPT:
            self._kept.clear()
            self._kept_at = version
        if key not in self._kept:
            self._kept[key] = read(key)
        return self._kept[key]

    def _help(self, call: Call, sender: Endpoint) -> Answer:
        return self._rows

    def _hello(self, call: Call, sender: Endpoint) -> Answer:
        self._admission.hello(sender[0], call.values["token"])
        return [[__version__]]

    def _watch(self, call: Call, sender: Endpoint) -> Answer:
        self._monitor.watch(sender, call.values["seconds"])
        return [[call.values["seconds"]]]

    def _set_reply_port(self, call: Call, sender: Endpoint) -> Answer:
        port: int = call.values["port"]
        if not 0 <= port <= 65535 or port == self._port:
            raise InputError(
                f"port: {port}; 1 to 65535 is allowed, but not the daemon's own {self._port}, and 0 ends it. "
                "Send the port that you listen on."
            )
        self._by_socket.pop(sender, None)
        self._by_socket[sender] = port
        while len(self._by_socket) > MOST_SOCKETS_REMEMBERED:
            del self._by_socket[next(iter(self._by_socket))]
        self._by_host.pop(sender[0], None)
        self._by_host[sender[0]] = port
        while len(self._by_host) > MOST_SOCKETS_REMEMBERED:
            del self._by_host[next(iter(self._by_host))]
        return [[port]]


def _help_rows() -> Answer:
    rows: Answer = []
    for row, address in enumerate(TABLE.values(), 1):
        takes = "pushed: " + " ".join(map(str, address.replies)) if address.pushed else address.usage()
        options = f" Options: {', '.join(address.option_names)}." if address.options else ""
        rows.append([row, len(TABLE), address.path, takes, address.doc + options])
    return rows


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name}: {text[:60]!r} is not a whole number. Give one as {name}=1.") from None
