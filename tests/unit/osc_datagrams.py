"""Datagrams that several tests send."""

import struct

# OSC 1.0 specification, "Examples", and hand-made rows.
OSCILLATOR = b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0"
FOO = b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d"
PING = b"/sds/ping\0\0\0,s\0\0a\0\0\0"


def bundle(*elements: bytes, tag: bytes = b"\0\0\0\0\0\0\0\x01") -> bytes:
    return b"#bundle\0" + tag + b"".join(struct.pack(">i", len(e)) + e for e in elements)
