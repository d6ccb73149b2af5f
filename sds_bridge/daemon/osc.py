"""OSC 1.0 over UDP: datagrams to messages and back, one socket, nothing that a sender can do ends it."""

from __future__ import annotations

import contextlib
import logging
import math
import select
import socket
import struct
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage

from sds_bridge.daemon.ports import holder
from sds_bridge.errors import InputError

LARGEST_SENT = 4000
LARGEST_RECEIVED = 65_536
DEEPEST_BUNDLE = 8
# a burst of thousands of requests while a job is written to disk; the system may give less
_RECEIVE_BUFFER = 4 << 20
_BUNDLE = b"#bundle\0"
_INT, _FLOAT = struct.Struct(">i"), struct.Struct(">f")
_TYPES = b"ihfdsbrmtTFN[]"

log = logging.getLogger(__name__)
Endpoint = tuple[str, int]
Value = str | int | float


class MalformedError(InputError):
    """A datagram that isn't OSC."""


@dataclass(frozen=True)
class Message:
    address: str
    values: list[Any]


def decode(datagram: bytes, depth: int = 0) -> list[Message]:
    """The messages of a datagram in order; a bundle's time tag is ignored: what arrives is done now.

    python-osc's own bundle reader loops for ever on a negative element size, so bundles are opened here.

    Raises:
        MalformedError: not OSC, cut short, or bundles nested deeper than ``DEEPEST_BUNDLE``.
    """
    if datagram.startswith(_BUNDLE):
        return _decode_bundle(datagram, depth)
    if not datagram.startswith(b"/"):
        raise MalformedError(f"{datagram[:16]!r}: not OSC; a message starts with '/', a bundle with '#bundle'.")
    if len(datagram) % 4:
        raise MalformedError(f"{datagram[:16]!r}: {len(datagram)} bytes; an OSC message is a multiple of 4 long.")
    _check_types(datagram)
    try:
        message = OscMessage(datagram)
        return [Message(message.address, list(message))]
    except Exception as error:  # python-osc lets UnicodeDecodeError, OverflowError and others through
        raise MalformedError(f"{datagram[:16]!r}: not a whole OSC message ({type(error).__name__}).") from None


def _check_types(datagram: bytes) -> None:
    """python-osc passes over a type that it doesn't know, so that the arguments behind it would change places."""
    at = datagram.find(b"\0") // 4 * 4 + 4
    if datagram[at : at + 1] == b",":
        unknown = datagram[at + 1 :].split(b"\0", 1)[0].translate(None, _TYPES)
        if unknown:
            raise MalformedError(f"{datagram[:16]!r}: argument type {unknown[:1]!r} isn't known; i, f and s are taken.")


def _decode_bundle(datagram: bytes, depth: int) -> list[Message]:
    if depth >= DEEPEST_BUNDLE:
        raise MalformedError(f"bundles nested more than {DEEPEST_BUNDLE} deep. Send them flat.")
    if len(datagram) < 16:
        raise MalformedError(f"{datagram[:16]!r}: a bundle cut short; its head has 16 bytes.")
    messages: list[Message] = []
    at = 16
    while at < len(datagram):
        if at + 4 > len(datagram):
            raise MalformedError(f"a bundle cut short at byte {at}.")
        size = struct.unpack_from(">i", datagram, at)[0]
        at += 4
        if size <= 0 or size % 4 or at + size > len(datagram):
            raise MalformedError(f"a bundle element of {size} bytes at byte {at}; {len(datagram) - at} are left.")
        messages += decode(datagram[at : at + size], depth + 1)
        at += size
    return messages


def encode(address: str, *values: Value) -> bytes:
    """One message of i, f and s, at most ``LARGEST_SENT`` bytes: its longest strings are cut with '…' to fit."""
    fitted = list(values)
    while True:
        tagged = [_tagged(value) for value in fitted]
        tags = "," + "".join(tag for tag, _ in tagged)
        datagram = b"".join([_padded(address), _padded(tags), *(data for _, data in tagged)])
        if len(datagram) <= LARGEST_SENT:
            return datagram
        longest = max(range(len(fitted)), key=lambda i: len(fitted[i].encode()) if isinstance(fitted[i], str) else 0)  # type: ignore[union-attr]
        text = str(fitted[longest])
        fitted[longest] = text[: len(text) * 3 // 4 - 1] + "…"


def _tagged(value: Value) -> tuple[str, bytes]:
    """A value's type tag and bytes. Integers beyond 32 bits become strings, floats beyond theirs infinite."""
    if isinstance(value, str):
        return "s", _padded(value.replace("\0", ""))
    if isinstance(value, int):
        return ("i", _INT.pack(value)) if -(2**31) <= value < 2**31 else ("s", _padded(str(value)))
    try:
        return "f", _FLOAT.pack(value)
    except OverflowError:
        return "f", _FLOAT.pack(math.copysign(math.inf, value))


def _padded(text: str) -> bytes:
    """OSC-string: at least one NUL, to a multiple of 4."""
    data = text.encode("utf-8", "replace")
    return data + bytes(4 - len(data) % 4)


class Socket:
    """A bound UDP socket.

    Raises:
        InputError: the port is taken, and by what if that can be seen, or can't be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise InputError(
                f"port {port} at {host} can't be had: {error.strerror}{holder(port)}. "
                "Stop what holds it, or give another --port (0 takes a free one)."
            ) from None
        self._socket.setblocking(False)
        self.endpoint: Endpoint = self._socket.getsockname()

    def receive(self, timeout: float) -> tuple[bytes, Endpoint] | None:
        """The next datagram and its sender, or None after ``timeout`` seconds."""
        try:
            if not select.select((self._socket,), (), (), timeout)[0]:
                return None
            datagram, sender = self._socket.recvfrom(LARGEST_RECEIVED)
        except (BlockingIOError, ConnectionError):  # Windows reports here that an earlier answer found nobody
            return None
        return datagram, sender[:2]

    def send(self, to: Endpoint, address: str, *values: Value) -> None:
        datagram = encode(address, *values)
        try:
            self._socket.sendto(datagram, to)
        except (OSError, OverflowError) as error:
            log.warning("%s to %s:%d not sent: %s", address, *to, error)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
