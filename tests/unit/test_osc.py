"""OSC on the wire: bytes by the specification's own examples, garbage, and sockets."""

import random
import struct

import pytest
from osc_datagrams import FOO, OSCILLATOR, PING, bundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from sds_bridge.daemon.osc import LARGEST_SENT, MalformedError, Message, Socket, decode, encode
from sds_bridge.errors import InputError

ME = ("127.0.0.1", 50_000)


GOOD = {
    OSCILLATOR: [("/oscillator/4/frequency", [440.0])],
    FOO: [("/foo", [1000, -1, "hello", pytest.approx(1.234), pytest.approx(5.678)])],
    PING: [("/sds/ping", ["a"])],
    b"/a\0\0": [("/a", [])],
    b"/a\0\0,\0\0\0": [("/a", [])],
    "/a\0\0,s\0\0é€\0\0\0".encode(): [("/a", ["é€"])],
    bundle(): [],
    bundle(PING, OSCILLATOR): [("/sds/ping", ["a"]), ("/oscillator/4/frequency", [440.0])],
    bundle(bundle(PING), PING): [("/sds/ping", ["a"])] * 2,
    bundle(PING, tag=b"\xff" * 8): [("/sds/ping", ["a"])],
}

BAD = [
    b"",
    b"\0",
    b"hello",
    b"\xff" * 40,
    b"/",
    b"/sds/ping",
    b"/sds/ping\0\0\0,s\0\0",
    b"/sds/ping\0\0\0,s\0\0a\0\0",
    b"/sds/ping\0\0\0,i\0\0\0\0\0",
    b"/sds/ping\0\0\0s\0\0\0a\0\0\0",
    b"/sds/ping\0\0\0,s\0\0\xff\xfe\xfd\0",
    b"/\xff\xfe\0,\0\0\0",
    b"/sds/ping\0\0\0,[s\0a\0\0\0",
    b"/sds/ping\0\0\0,]\0\0",
    b"/sds/ping\0\0\0,b\0\0\x7f\xff\xff\xff",
    b"/sds/ping\0\0\0,Ss\0a\0\0\0b\0\0\0",
    b"/sds/ping\0\0\0,zs\0a\0\0\0",
    b"#bundle\0",
    b"#bundle\0\0\0\0",
    bundle() + b"\0\0\0",
    bundle() + struct.pack(">i", -4),
    bundle() + struct.pack(">i", 0) + PING,
    bundle() + struct.pack(">i", 2**31 - 1) + PING,
    bundle() + struct.pack(">i", 21) + PING + b"\0",
    bundle(b"nope"),
]


@pytest.mark.parametrize(("datagram", "expected"), GOOD.items())
def test_good_datagrams(datagram, expected):
    assert [(m.address, m.values) for m in decode(datagram)] == expected


@pytest.mark.timeout(10)
@pytest.mark.parametrize("datagram", BAD)
def test_bad_datagrams(datagram):
    with pytest.raises(MalformedError) as caught:
        decode(datagram)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, len(FOO)))
def test_truncated_message_is_refused_or_shorter(cut):
    """python-osc fills up a last float that is cut off (Reaktor sends such); all else is refused."""
    try:
        values = decode(FOO[:cut])[0].values
    except MalformedError:
        return
    assert cut % 4 == 0 and values[:3] in ([], [1000, -1, "hello"])


def test_bundles_nested_without_end_are_refused():
    datagram = PING
    for _ in range(200):
        datagram = bundle(datagram)
    with pytest.raises(MalformedError, match="nested more than 8 deep"):
        decode(datagram)


def test_encode_is_what_python_osc_reads():
    message = OscMessage(encode("/sds/x", 3, 2.5, "two words", -1, 2**40, "é"))
    assert list(message) == [3, 2.5, "two words", -1, str(2**40), "é"]
    assert list(OscMessage(encode("/x", "a\0b", 1e300, float("-inf")))) == ["ab", float("inf"), float("-inf")]


def test_encode_cuts_strings_to_fit():
    datagram = encode("/sds/error", "id", "wörd " * 3000, "short")
    assert len(datagram) <= LARGEST_SENT
    asked, text, last = list(OscMessage(datagram))
    assert (asked, last) == ("id", "short")
    assert text.startswith("wörd wörd") and text.endswith("…")


def test_encode_is_byte_for_byte_python_oscs():
    draw = random.Random(0)
    for _ in range(500):
        values = [
            draw.choice(
                [
                    draw.randrange(-(2**31), 2**31),
                    draw.uniform(-1e6, 1e6),
                    "é€x"[: draw.randrange(4)] * draw.randrange(9),
                ]
            )
            for _ in range(draw.randrange(8))
        ]
        builder = OscMessageBuilder("/sds/" + "x" * draw.randrange(9))
        for value in values:
            builder.add_arg(value)
        assert encode(builder.address, *values) == builder.build().dgram


def test_a_taken_port_says_so_and_by_whom():
    first = Socket("127.0.0.1", 0)
    with pytest.raises(InputError, match=r"port \d+ at 127.0.0.1 can't be had: Address already in use.*another --port"):
        Socket("127.0.0.1", first.endpoint[1])
    first.close()


def test_a_socket_survives_answers_that_reach_nobody():
    ours, theirs = Socket("127.0.0.1", 0), Socket("127.0.0.1", 0)
    gone = theirs.endpoint
    theirs.close()
    for _ in range(3):
        ours.send(gone, "/sds/ping", "x")
    ours.send(("127.0.0.1", 0), "/sds/ping", "x")
    assert ours.receive(0.05) is None
    assert ours.receive(0) is None
    ours.send(ours.endpoint, "/sds/ping", "x")
    assert decode(ours.receive(1.0)[0]) == [Message("/sds/ping", ["x"])]
    ours.close()
