"""DX7 single-voice messages as bytes, well formed and not."""

from dataclasses import replace

import pytest

from sds_bridge.errors import FormatError
from sds_bridge.formats.dx7_sysex import Operator, Voice, checksum, parse_voice, write_voice

# Yamaha's initial voice written out by hand: operators 6…2 silent, operator 1 at 99
_EG = "63 63 63 63 63 63 63 00 27 00 00 00 00 00 00 00"
_SILENT, _FULL = f"{_EG} 00 00 01 00 07", f"{_EG} 63 00 01 00 07"
_REST = "63 63 63 63 32 32 32 32 00 00 01 23 00 00 00 00 00 00 18"
_NAME = "49 4E 49 54 20 56 4F 49 43 45"
INIT = bytes.fromhex(f"F0 43 00 00 01 1B {' '.join([_SILENT] * 5)} {_FULL} {_REST} {_NAME} 6B F7")


def test_initial_voice_is_these_bytes():
    assert len(INIT) == 163
    assert write_voice(Voice()) == INIT
    assert parse_voice(INIT) == Voice()


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", 0), (b"\x01", 0x7F), (b"\x7f\x01", 0), (b"\x40\x41", 0x7F), (bytes([99] * 155), 15)]
)
def test_checksum_brings_the_sum_to_zero(data, expected):
    assert checksum(data) == expected
    assert (sum(data) + checksum(data)) % 128 == 0


# one field changed → (offset in the message, byte)
FIELDS = [
    (Voice(algorithm=31), 6 + 134, 31),
    (Voice(feedback=7), 6 + 135, 7),
    (Voice(osc_sync=0), 6 + 136, 0),
    (Voice(lfo_wave=5), 6 + 142, 5),
    (Voice(transpose=48), 6 + 144, 48),
    (Voice(pitch_rates=(1, 99, 99, 99)), 6 + 126, 1),
    (Voice(pitch_levels=(50, 50, 50, 2)), 6 + 133, 2),
    (Voice(operators=(Operator(output_level=99),) + (Operator(),) * 4 + (Operator(detune=14),)), 6 + 20, 14),
    (Voice(operators=(Operator(output_level=98),) + (Operator(),) * 5), 6 + 5 * 21 + 16, 98),
    (Voice(operators=(Operator(output_level=99),) + (Operator(coarse=31),) + (Operator(),) * 4), 6 + 4 * 21 + 18, 31),
]


@pytest.mark.parametrize(("voice", "offset", "value"), FIELDS)
def test_a_field_is_one_byte_at_its_place(voice, offset, value):
    message = write_voice(voice)
    changed = [i for i, (a, b) in enumerate(zip(message, INIT, strict=True)) if a != b and i != 161]
    assert changed == [offset]
    assert message[offset] == value
    assert parse_voice(message) == voice


def _with(offset: int, value: int, mend: bool = True) -> bytes:
    data = bytearray(INIT)
    data[offset] = value
    if mend:
        data[161] = checksum(bytes(data[6:161]))
    return bytes(data)


MALFORMED = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "starts with 68"),
    "one byte": (b"\xf0", "maker byte is missing"),
    "three bytes": (b"\xf0\x43\x00", "3 bytes"),
    "wrong maker": (_with(1, 0x41), "maker byte is 41"),
    "truncated": (INIT[:-1], "162 bytes"),
    "half": (INIT[:80], "80 bytes"),
    "trailing garbage": (INIT + b"\x00", "164 bytes"),
    "bank": (b"\xf0\x43\x00\x09\x20\x00" + bytes(4098), "bank of 32 voices"),
    "parameter change": (_with(2, 0x10), "10 00 01 1B"),
    "wrong count": (_with(5, 0x1A), "00 00 01 1A"),
    "no end": (_with(162, 0x00), "last byte is 00"),
    "8-bit data": (_with(50, 0x80), "byte 50 is 80"),
    "wrong checksum": (_with(161, 0x00, mend=False), "checksum is 00, the data gives 6B"),
    "changed data": (_with(22, 50, mend=False), "checksum is 6B"),
    "rate 100": (_with(6, 100), "operator 6 rates[0] is 100; allowed is 0 to 99"),
    "detune 15": (_with(6 + 125, 15), "operator 1 detune is 15; allowed is 0 to 14"),
    "algorithm 32": (_with(6 + 134, 32), "algorithm is 32; allowed is 0 to 31"),
    "pitch level 127": (_with(6 + 130, 127), "pitch_levels[0] is 127"),
}


@pytest.mark.parametrize(("message", "told"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_messages_are_refused_in_one_line(message, told):
    with pytest.raises(FormatError) as error:
        parse_voice(message)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_any_device_number_is_read():
    assert parse_voice(_with(2, 0x0F)) == Voice()


@pytest.mark.parametrize(
    ("voice", "told"),
    [
        (Voice(algorithm=32), "algorithm is 32"),
        (Voice(feedback=-1), "feedback is -1"),
        (Voice(name="elevenchars"), "at most 10"),
        (Voice(name="Ä"), "ASCII"),
        (Voice(operators=(Operator(),)), "1 operators"),
        (replace(Voice(), operators=(Operator(rates=(1, 2, 3, 100)),) * 6), "operator 6 rates[3] is 100"),
    ],
)
def test_a_voice_out_of_range_is_not_written(voice, told):
    with pytest.raises(FormatError, match=told.replace("[", r"\[")):
        write_voice(voice)
