"""Frames between the host and its child: a JSON object, and bytes beside it for audio and states.

uint32 LE length of the JSON | uint64 LE length of the payload | JSON, UTF-8 | payload
"""

from __future__ import annotations

import contextlib
import json
import struct
from typing import IO, Any

import numpy as np

HEADER = struct.Struct("<IQ")
PIPE_BYTES = 1 << 20

Payload = bytes | memoryview


def widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold more, where the system can (Linux), so that its ends wait for each other less often."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert pipe is not None
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def write_frame(stream: IO[bytes], message: dict[str, Any], payload: Payload = b"") -> None:
    text = json.dumps(message).encode()
    stream.write(HEADER.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], Payload]:
    """The next frame; raises EOFError where the stream ends, within a frame or before it."""
    text_length, payload_length = HEADER.unpack(_exactly(stream, HEADER.size))
    message = json.loads(bytes(_exactly(stream, text_length)))
    return message, _exactly(stream, payload_length)


def _exactly(stream: IO[bytes], length: int) -> memoryview:
    # numpy's large arrays lie in large pages
    found = np.empty(length, np.uint8).data
    if length and stream.readinto(found) < length:  # type: ignore[attr-defined]
        raise EOFError
    return found
