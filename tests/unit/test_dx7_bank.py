"""DX7 voices and banks byte by byte: import then export, and what is refused."""

import random
import sys

import pytest

from sds_bridge.errors import FormatError
from sds_bridge.formats import catalog, dx7_voice
from sds_bridge.formats.dx7_bank import BANK_BYTES, PACKED_BYTES, pack, parse_bank, unpack, write_bank
from sds_bridge.formats.dx7_sysex import Voice, checksum, from_bytes, to_bytes, write_voice
from sds_bridge.synths.dx7_parameters import dx7_parameters

HIGHEST = [int(p.high) for p in dx7_parameters()]


def random_bytes(draw: random.Random) -> bytes:
    """155 valid bytes; names of any printable character, spaces at either end too."""
    return bytes(draw.randint(0, high) for high in HIGHEST) + bytes(draw.randint(32, 126) for _ in range(10))


def message(data: bytes, device: int) -> bytes:
    return bytes([0xF0, 0x43, device, 0, 1, 0x1B]) + data + bytes([checksum(data), 0xF7])


def test_two_thousand_voices_come_back_byte_by_byte(tmp_path):
    draw = random.Random(0)
    file = tmp_path / "voice.syx"
    for number in range(2000):
        original = message(random_bytes(draw), number % 16)
        file.write_bytes(original)
        (patch,) = dx7_voice.load(file)
        assert dx7_voice.export(patch) == (original, [])


def test_sixty_banks_come_back_byte_by_byte(tmp_path):
    draw = random.Random(1)
    file = tmp_path / "bank.syx"
    for number in range(60):
        packed = b"".join(pack(from_bytes(random_bytes(draw))) for _ in range(32))
        original = bytes([0xF0, 0x43, number % 16, 9, 0x20, 0]) + packed + bytes([checksum(packed), 0xF7])
        assert len(original) == BANK_BYTES
        file.write_bytes(original)
        assert catalog.bank(dx7_voice.load(file)) == (original, [])


def test_packing_is_what_dexed_py_packs():
    dexed = pytest.importorskip("dexed")
    draw = random.Random(2)
    for _ in range(50):
        data = random_bytes(draw)
        theirs = dexed.Patch.from_sysex(data).to_packed()
        assert pack(from_bytes(data)) == bytes(theirs)
        assert to_bytes(unpack(bytes(theirs))) == data


def test_a_short_bank_is_filled_with_the_plain_voice():
    voices = parse_bank(write_bank([Voice(name="ONE"), Voice(name="TWO")]))
    assert [v.name for v in voices[:3]] == ["ONE", "TWO", "INIT VOICE"]
    assert len(voices) == 32
    with pytest.raises(FormatError, match="33 voices; a bank holds 32"):
        write_bank([Voice()] * 33)


BANK = write_bank([Voice(name=f"VOICE {n}") for n in range(32)])
VOICE = write_voice(Voice())


def changed(data: bytes, at: int, value: int, repair: bool = False) -> bytes:
    made = bytearray(data)
    made[at] = value
    if repair:
        made[-2] = checksum(made[6:-2])
    return bytes(made)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xf0\x43\x00", "3 bytes"),
        (BANK[:-1], "4103 bytes"),
        (BANK + b"\0", "4105 bytes"),
        (VOICE[:100], "100 bytes"),
        (b"\0" * 10_000_000, "10000000 bytes"),
        (changed(BANK, 1, 0x41), "maker byte is 41"),
        (changed(BANK, 0, 0x00), "starts with 00"),
        (changed(BANK, -2, BANK[-2] ^ 1), "checksum is"),
        (changed(BANK, -1, 0x00), "last byte is 00"),
        (changed(BANK, 2, 0x10), "header is 10 09 20 00"),
        (changed(BANK, 100, 0x80), "byte 100 is 80"),
        (changed(BANK, 6, 100, repair=True), r"voice 1: operator 6 rates\[0\] is 100"),
        (changed(BANK, 6 + PACKED_BYTES + 11, 0x7F, repair=True), "voice 2: byte 11 of a voice is 7F"),
        (changed(VOICE, -2, VOICE[-2] ^ 1), "checksum is"),
        (b"just some text", "starts with 6A"),
    ],
)
def test_files_that_are_no_voice_or_bank(tmp_path, content, why):
    file = tmp_path / "x.syx"
    file.write_bytes(content)
    with pytest.raises(FormatError, match=why) as error:
        dx7_voice.load(file)
    assert "\n" not in str(error.value) and str(file) in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FormatError, match="can't be read"):
        dx7_voice.load(tmp_path / "nothing.syx")


def test_import_needs_no_torch(tmp_path):
    import subprocess

    code = "import sds_bridge.formats.dx7_voice, sys; assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
