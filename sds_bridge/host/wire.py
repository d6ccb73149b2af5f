"""Frames between the host and its child: a JSON object, and bytes beside it for audio and states.

uint32 LE length of the JSON | uint64 LE length of the payload | JSON, UTF-8 | payload
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

HEADER = struct.Struct("<IQ")


def write_frame(stream: IO[bytes], message: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    text = json.dumps(message).encode()
    stream.write(HEADER.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """The next frame; raises EOFError where the stream ends, within a frame or before it."""
    text_length, payload_length = HEADER.unpack(_exactly(stream, HEADER.size))
    message = json.loads(_exactly(stream, text_length))
    return message, _exactly(stream, payload_length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise EOFError
    return found
