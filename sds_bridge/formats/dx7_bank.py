"""A bank of 32 DX7 voices and its system-exclusive message.

The message is ``F0 43 0n 09 20 00 <32 × 128 bytes> <checksum> F7``, 4104 bytes. A packed voice holds the same values
as a single one, several to a byte; what a byte can hold beyond a parameter's range is refused.

Reference: Yamaha DX7 Operating Manual, "MIDI data format", VMEM.
"""

from __future__ import annotations

from sds_bridge.errors import FormatError
from sds_bridge.formats.dx7_sysex import (
    BANK_FORMAT,
    END,
    MESSAGE_BYTES,
    START,
    VOICE_BYTES,
    YAMAHA,
    Voice,
    checksum,
    from_bytes,
    parse_voice,
    to_bytes,
)

VOICES = 32
PACKED_BYTES = 128
BANK_BYTES = 6 + VOICES * PACKED_BYTES + 2

# each packed byte: (index of the unpacked byte, shift, mask), low bits first
_OPERATOR_BYTES = [
    *[[(i, 0, 0x7F)] for i in range(11)],
    [(11, 0, 3), (12, 2, 3)],
    [(13, 0, 7), (20, 3, 15)],
    [(14, 0, 3), (15, 2, 7)],
    [(16, 0, 0x7F)],
    [(17, 0, 1), (18, 1, 31)],
    [(19, 0, 0x7F)],
]
_VOICE_BYTES = [
    *[[(126 + i, 0, 0x7F)] for i in range(8)],
    [(134, 0, 31)],
    [(135, 0, 7), (136, 3, 1)],
    *[[(137 + i, 0, 0x7F)] for i in range(4)],
    [(141, 0, 1), (142, 1, 7), (143, 4, 7)],
    *[[(144 + i, 0, 0x7F)] for i in range(11)],
]
_LAYOUT = [[(21 * op + i, s, m) for i, s, m in row] for op in range(6) for row in _OPERATOR_BYTES] + _VOICE_BYTES


def pack(voice: Voice) -> bytes:
    """128 bytes; raises FormatError for a value outside its range."""
    data = to_bytes(voice)
    return bytes(sum(data[i] << shift for i, shift, _ in row) for row in _LAYOUT)


def unpack(packed: bytes) -> Voice:
    """The voice in 128 bytes; raises FormatError for a value outside its range or a bit that means nothing."""
    data = bytearray(VOICE_BYTES)
    for at, (row, byte) in enumerate(zip(_LAYOUT, packed, strict=True)):
        known = 0
        for i, shift, mask in row:
            data[i] = byte >> shift & mask
            known |= mask << shift
        if byte & ~known:
            raise FormatError(
                f"byte {at} of a voice is {byte:02X}, with bits that no parameter uses. The file is damaged: fetch it again."
            )
    return from_bytes(bytes(data))


def write_bank(voices: list[Voice], device: int = 0) -> bytes:
    """The voices as a 4104-byte message for a device, 0…15, filled up with "INIT VOICE".

    Raises:
        FormatError: more than 32 voices, or a value outside its range.
    """
    if len(voices) > VOICES:
        raise FormatError(f"there are {len(voices)} voices; a bank holds 32. Write several banks.")
    data = b"".join(pack(voice) for voice in [*voices, *[Voice()] * (VOICES - len(voices))])
    return bytes([START, YAMAHA, device & 15, BANK_FORMAT, 0x20, 0x00]) + data + bytes([checksum(data), END])


def parse_bank(message: bytes) -> list[Voice]:
    """The 32 voices in a bank's message, from any device number.

    Raises:
        FormatError: not such a message, a wrong checksum, or a value outside its range.
    """
    advice = "Give a DX7 .syx file with one voice (163 bytes) or a bank of 32 (4104 bytes)."
    if message[:2] != bytes([START, YAMAHA]):
        raise FormatError(f"not a Yamaha message: it starts with {message[:2].hex(' ').upper()}, not F0 43. {advice}")
    if len(message) != BANK_BYTES:
        raise FormatError(f"the message has {len(message)} bytes; a bank has {BANK_BYTES}. {advice}")
    if message[2] > 0x0F or message[3:6] != bytes([BANK_FORMAT, 0x20, 0x00]):
        raise FormatError(f"the header is {message[2:6].hex(' ').upper()}; a bank has 0n 09 20 00. {advice}")
    if message[-1] != END:
        raise FormatError(f"the last byte is {message[-1]:02X}, not F7: the message is cut or joined. {advice}")
    data = message[6:-2]
    for at, value in enumerate(message[6:-1], start=6):
        if value > 0x7F:
            raise FormatError(f"byte {at} is {value:02X}; MIDI data is 00 to 7F. The file is damaged: fetch it again.")
    if message[-2] != checksum(data):
        raise FormatError(
            f"the checksum is {message[-2]:02X}, the data gives {checksum(data):02X}. The file is damaged: fetch it again."
        )
    voices = []
    for number in range(VOICES):
        try:
            voices.append(unpack(data[number * PACKED_BYTES :][:PACKED_BYTES]))
        except FormatError as error:
            raise FormatError(f"voice {number + 1}: {error}") from None
    return voices


def read_voices(message: bytes) -> list[Voice]:
    """One voice or 32, whichever the message holds; raises FormatError."""
    if len(message) > 3 and message[:2] == bytes([START, YAMAHA]) and message[3] == BANK_FORMAT:
        return parse_bank(message)
    if len(message) > BANK_BYTES:
        raise FormatError(
            f"the file has {len(message)} bytes; a voice has {MESSAGE_BYTES}, a bank {BANK_BYTES}. Give one message a file."
        )
    return [parse_voice(message)]
