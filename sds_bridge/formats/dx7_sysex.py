"""A DX7 voice and its single-voice system-exclusive message.

The message is ``F0 43 0n 00 01 1B <155 parameters> <checksum> F7``: Yamaha's id, device number n, format 0,
155 as two 7-bit bytes. The checksum makes the sum of the parameters and itself 0 modulo 128.

Reference: Yamaha DX7 Operating Manual, "MIDI data format", VCED.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sds_bridge.errors import FormatError
from sds_bridge.synths.dx7_parameters import OPERATORS, operator_parameters, voice_parameters

START, YAMAHA, END = 0xF0, 0x43, 0xF7
VOICE_FORMAT, BANK_FORMAT = 0x00, 0x09
VOICE_BYTES = 155
MESSAGE_BYTES = 163
NAME_LENGTH = 10

Four = tuple[int, int, int, int]

# field of Operator or Voice → highest value, in the order of the bytes behind rates and levels
OPERATOR_LIMITS = {p.name.removeprefix("op1."): round(p.high) for p in operator_parameters(1)[8:]}
VOICE_LIMITS = {p.name.replace(".", "_"): round(p.high) for p in voice_parameters()[8:]}


@dataclass(frozen=True)
class Operator:
    """One operator, every value as the DX7 stores it.

    ``rates`` and ``levels`` are R1–R4 and L1–L4, 0…99. ``break_point`` 39 is C3. Curves: 0 −lin, 1 −exp, 2 +exp,
    3 +lin. In ratio mode (``fixed_frequency`` 0) the frequency is note · coarse · (1 + fine/100), where coarse 0
    means 0.5. ``detune`` 7 is none. ``output_level`` 0 is silent.
    """

    rates: Four = (99, 99, 99, 99)
    levels: Four = (99, 99, 99, 0)
    break_point: int = 39
    left_depth: int = 0
    right_depth: int = 0
    left_curve: int = 0
    right_curve: int = 0
    rate_scaling: int = 0
    amp_mod_sensitivity: int = 0
    velocity_sensitivity: int = 0
    output_level: int = 0
    fixed_frequency: int = 0
    coarse: int = 1
    fine: int = 0
    detune: int = 7


@dataclass(frozen=True)
class Voice:
    """A voice, every value as the DX7 stores it.

    ``operators[0]`` is operator 1. ``algorithm`` 0…31 is 1…32 on the panel. ``pitch_levels`` 50 is no shift,
    ``transpose`` 24 is none (C3), 12 an octave lower. LFO waves: 0 triangle, 1 saw down, 2 saw up, 3 square,
    4 sine, 5 sample and hold. ``name`` has at most ten 7-bit characters.
    """

    operators: tuple[Operator, ...] = field(default_factory=lambda: (Operator(output_level=99),) + (Operator(),) * 5)
    pitch_rates: Four = (99, 99, 99, 99)
    pitch_levels: Four = (50, 50, 50, 50)
    algorithm: int = 0
    feedback: int = 0
    osc_sync: int = 1
    lfo_speed: int = 35
    lfo_delay: int = 0
    lfo_pitch_depth: int = 0
    lfo_amp_depth: int = 0
    lfo_sync: int = 0
    lfo_wave: int = 0
    pitch_mod_sensitivity: int = 0
    transpose: int = 24
    name: str = "INIT VOICE"


def checksum(data: bytes | bytearray) -> int:
    """7-bit two's complement of the sum."""
    return -sum(data) & 0x7F


def to_bytes(voice: Voice) -> bytes:
    """The voice's 155 bytes, operator 6 first.

    Raises:
        FormatError: a value outside its range, a wrong count, or a name that doesn't fit.
    """
    if len(voice.operators) != OPERATORS:
        raise FormatError(f"the voice has {len(voice.operators)} operators; a DX7 voice has 6. Give six.")
    data = bytearray()
    for number in range(OPERATORS, 0, -1):
        operator = voice.operators[number - 1]
        data += bytes(_four(operator.rates, f"operator {number} rates"))
        data += bytes(_four(operator.levels, f"operator {number} levels"))
        for name, high in OPERATOR_LIMITS.items():
            data.append(_within(getattr(operator, name), high, f"operator {number} {name}"))
    data += bytes(_four(voice.pitch_rates, "pitch_rates") + _four(voice.pitch_levels, "pitch_levels"))
    for name, high in VOICE_LIMITS.items():
        data.append(_within(getattr(voice, name), high, name))
    if len(voice.name) > NAME_LENGTH or any(ord(c) > 127 for c in voice.name):
        raise FormatError(f"name {voice.name!r} doesn't fit; a DX7 name has at most 10 ASCII characters. Shorten it.")
    return bytes(data) + voice.name.ljust(NAME_LENGTH).encode("ascii")


def from_bytes(data: bytes) -> Voice:
    """The voice in 155 bytes; raises FormatError for a value outside its range."""
    operators = []
    for number in range(OPERATORS, 0, -1):
        chunk = data[(OPERATORS - number) * 21 :][:21]
        operator = Operator(
            rates=_four(chunk[:4], f"operator {number} rates"), levels=_four(chunk[4:8], f"operator {number} levels")
        )
        fields = zip(OPERATOR_LIMITS.items(), chunk[8:], strict=True)
        values: dict[str, Any] = {
            name: _within(value, high, f"operator {number} {name}") for (name, high), value in fields
        }
        operators.append(replace(operator, **values))
    fields = zip(VOICE_LIMITS.items(), data[134:145], strict=True)
    voice = Voice(
        operators=tuple(reversed(operators)),
        pitch_rates=_four(data[126:130], "pitch_rates"),
        pitch_levels=_four(data[130:134], "pitch_levels"),
        name=bytes(data[145:]).decode("ascii").rstrip(" "),
    )
    scalars: dict[str, Any] = {name: _within(value, high, name) for (name, high), value in fields}
    return replace(voice, **scalars)


def write_voice(voice: Voice, device: int = 0) -> bytes:
    """The voice as a 163-byte message for a device, 0…15; raises FormatError as :func:`to_bytes`."""
    data = to_bytes(voice)
    header = bytes([START, YAMAHA, _within(device, 15, "device"), VOICE_FORMAT, VOICE_BYTES >> 7, VOICE_BYTES & 0x7F])
    return header + data + bytes([checksum(data), END])


def parse_voice(message: bytes) -> Voice:
    """The voice in a single-voice message, from any device number.

    Raises:
        FormatError: not such a message, a wrong checksum, or a value outside its range.
    """
    _check_frame(message)
    return from_bytes(message[6:-2])


def _check_frame(message: bytes) -> None:
    advice = "Give a DX7 single-voice .syx file."
    if message[:1] != bytes([START]):
        found = f"starts with {message[0]:02X}" if message else "is empty"
        raise FormatError(f"not system-exclusive: the file {found}, not F0. {advice}")
    if len(message) < 2 or message[1] != YAMAHA:
        found = f"{message[1]:02X}" if len(message) > 1 else "missing"
        raise FormatError(f"not Yamaha's: the maker byte is {found}, not 43. {advice}")
    if len(message) > 3 and message[3] == BANK_FORMAT:
        raise FormatError("this is a bank of 32 voices (format 9). Save one of its voices by itself and give that.")
    if len(message) != MESSAGE_BYTES:
        raise FormatError(f"the message has {len(message)} bytes; a DX7 voice has {MESSAGE_BYTES}. {advice}")
    if message[2] > 0x0F or message[3:6] != bytes([VOICE_FORMAT, VOICE_BYTES >> 7, VOICE_BYTES & 0x7F]):
        raise FormatError(f"the header is {message[2:6].hex(' ').upper()}; a voice has 0n 00 01 1B. {advice}")
    if message[-1] != END:
        raise FormatError(f"the last byte is {message[-1]:02X}, not F7: the message is cut or joined. {advice}")
    for at, value in enumerate(message[6:-1], start=6):
        if value > 0x7F:
            raise FormatError(f"byte {at} is {value:02X}; MIDI data is 00 to 7F. The file is damaged: fetch it again.")
    expected = checksum(message[6:-2])
    if message[-2] != expected:
        raise FormatError(
            f"the checksum is {message[-2]:02X}, the data gives {expected:02X}. The file is damaged: fetch it again."
        )


def _within(value: int, high: int, what: str) -> int:
    if not 0 <= value <= high:
        raise FormatError(f"{what} is {value}; allowed is 0 to {high}. Correct it and write the voice again.")
    return value


def _four(values: bytes | Four, what: str) -> Four:
    if len(values) != 4:
        raise FormatError(f"{what} has {len(values)} values; it takes 4. Correct it and write the voice again.")
    a, b, c, d = (_within(v, 99, f"{what}[{i}]") for i, v in enumerate(values))
    return a, b, c, d
