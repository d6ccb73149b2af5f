"""Datagrams that several tests send."""

import os
import random
import struct

# OSC 1.0 specification, "Examples", and hand-made rows.
OSCILLATOR = b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0"
FOO = b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d"
PING = b"/sds/ping\0\0\0,s\0\0a\0\0\0"


def bundle(*elements: bytes, tag: bytes = b"\0\0\0\0\0\0\0\x01") -> bytes:
    return b"#bundle\0" + tag + b"".join(struct.pack(">i", len(e)) + e for e in elements)


SOAK = float(os.environ.get("SDS_BRIDGE_SOAK", "1"))
"""How many times longer the soaks run; 100 are the long ones of `make soak`."""


def mutated(draw: random.Random, seeds: list[bytes]) -> bytes:
    """Noise, or a seed with bytes changed, removed, doubled, or spliced with another seed's."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(0, 200))
    broken = bytearray(draw.choice(seeds))
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(broken) + 1)
        kind = draw.random()
        if kind < 0.6 and broken:
            broken[at % len(broken)] = draw.choice([0, 0, 0x2F, 0x2C, 0x7F, 0xFF, draw.randrange(256)])
        elif kind < 0.7:
            del broken[at : at + 4 * draw.randrange(1, 4)]
        elif kind < 0.8:
            broken[at:at] = broken[at : at + 4 * draw.randrange(1, 8)]
        elif kind < 0.9:
            other = draw.choice(seeds)
            broken[at:] = other[draw.randrange(len(other)) :]
        else:
            broken[at : at + 4] = struct.pack(">i", draw.choice([-(2**31), -1, 0, 3, 2**31 - 1, draw.randrange(2000)]))
    if draw.random() < 0.5:  # a multiple of 4 gets past the first check
        del broken[len(broken) // 4 * 4 :]
    return bytes(broken)
