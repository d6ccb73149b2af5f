"""DX7 voices as patches of the ``dx7`` synth and back: the same whole numbers, nothing rounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sds_bridge.errors import FormatError
from sds_bridge.formats.dx7 import dx7_name
from sds_bridge.formats.dx7_bank import BANK_BYTES, read_voices
from sds_bridge.formats.dx7_sysex import (
    NAME_LENGTH,
    OPERATOR_LIMITS,
    VOICE_LIMITS,
    Operator,
    Voice,
    write_voice,
)
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7_parameters import OPERATORS, dx7_parameters
from sds_bridge.synths.parameters import check

# Voice's field → parameter's name
_VOICE_NAMES = {name: name.replace("lfo_", "lfo.") for name in VOICE_LIMITS}


def patch_of(voice: Voice, device: int = 0, note: int = 60) -> Patch:
    """A voice as a patch; the message's device number is kept, so that it can be written back byte by byte."""
    values: dict[str, float | list[float]] = {}
    for number, operator in enumerate(voice.operators, 1):
        for k in range(4):
            values[f"op{number}.rate{k + 1}"] = float(operator.rates[k])
            values[f"op{number}.level{k + 1}"] = float(operator.levels[k])
        values |= {f"op{number}.{name}": float(getattr(operator, name)) for name in OPERATOR_LIMITS}
    for k in range(4):
        values[f"pitch.rate{k + 1}"] = float(voice.pitch_rates[k])
        values[f"pitch.level{k + 1}"] = float(voice.pitch_levels[k])
    values |= {parameter: float(getattr(voice, name)) for name, parameter in _VOICE_NAMES.items()}
    provenance = {"format": "dx7", "device": device}
    return Patch(synth="dx7", name=voice.name, note=note, parameters=values, provenance=provenance)


def voice_of(patch: Patch) -> Voice:
    """A patch of the ``dx7`` synth as a voice.

    Raises:
        PatchError: a name or value that the synth doesn't have.
    """
    one = {name: round(value[0]) for name, value in check(patch, dx7_parameters()).items()}

    def four(prefix: str) -> Any:
        return tuple(one[f"{prefix}{k}"] for k in range(1, 5))

    operators = []
    for i in range(1, OPERATORS + 1):
        rest: dict[str, Any] = {name: one[f"op{i}.{name}"] for name in OPERATOR_LIMITS}
        operators.append(Operator(rates=four(f"op{i}.rate"), levels=four(f"op{i}.level"), **rest))
    exact = len(patch.name) <= NAME_LENGTH and all(ord(c) < 128 for c in patch.name)
    scalars: dict[str, Any] = {name: one[parameter] for name, parameter in _VOICE_NAMES.items()}
    return Voice(
        operators=tuple(operators),
        pitch_rates=four("pitch.rate"),
        pitch_levels=four("pitch.level"),
        name=patch.name if exact else dx7_name(patch.name),
        **scalars,
    )


def export(patch: Patch) -> tuple[bytes, list[str]]:
    """A 163-byte message with the patch's own numbers, and what was changed: at most the name."""
    voice = voice_of(patch)
    device = patch.provenance.get("device", 0)
    report = [] if voice.name == patch.name else [f"the name is {voice.name!r}: a DX7 shows ten ASCII characters"]
    return write_voice(voice, device if isinstance(device, int) and 0 <= device < 16 else 0), report


def load(path: str | Path) -> list[Patch]:
    """The voices of a .syx file, one or 32, as patches.

    Raises:
        FormatError: no such file, or not a DX7 voice or bank.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FormatError(f"{path}: is no ordinary file. Give a DX7 .syx file.")
    try:
        with open(path, "rb") as file:
            message = file.read(BANK_BYTES + 1)
            size = path.stat().st_size
    except OSError as error:
        raise FormatError(f"{path}: can't be read ({error.strerror}). Give a DX7 .syx file.") from None
    if size > BANK_BYTES:
        raise FormatError(
            f"{path}: {size} bytes; a DX7 voice has 163 and a bank 4104. Give a .syx file with one message."
        )
    try:
        return [patch_of(voice, message[2]) for voice in read_voices(message)]
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
