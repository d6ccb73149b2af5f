"""The .opm text of YM2151 voices (MiOPMdrv, VOPM), written and read.

An operator's line holds AR D1R D2R RR D1L TL KS MUL DT1 DT2 AMS-EN; operators come in the order M1, C1, M2, C2.
``CH`` holds PAN (64 is both sides) FL CON AMS PMS SLOT (a bit an operator, from 8 on) NE.
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass

from sds_bridge.errors import FormatError

NAMES = ("M1", "C1", "M2", "C2")
SILENT = 127  # of TL
TOPS = (31, 31, 31, 15, 15, 127, 3, 15, 7, 3, 128)
BOTH_SIDES = 64
_HEAD = """\
//MiOPMdrv sound bank Paramer Ver2002.04.22
//LFO: LFRQ AMD PMD WF NFRQ
//@:[Num] [Name]
//CH: PAN FL CON AMS PMS SLOT NE
//[OPname]: AR D1R D2R  RR D1L  TL  KS MUL DT1 DT2 AMS-EN
"""


@dataclass(frozen=True)
class Operator:
    """One operator's registers by their names on the chip; the default is silent."""

    ar: int = 31
    d1r: int = 0
    d2r: int = 0
    rr: int = 15
    d1l: int = 0
    tl: int = 127
    ks: int = 0
    mul: int = 1
    dt1: int = 0
    dt2: int = 0
    ams: int = 0


@dataclass(frozen=True)
class Voice:
    """One voice: ``operators`` M1, C1, M2, C2; ``connection`` and ``feedback`` 0…7; ``slots`` has bit k for operator k."""

    name: str
    connection: int
    feedback: int
    operators: tuple[Operator, ...]
    slots: int = 15


def write(voice: Voice, number: int = 0) -> str:
    """The file with this one voice."""
    ch = (BOTH_SIDES, voice.feedback, voice.connection, 0, 0, voice.slots << 3, 0)
    lines = [_HEAD, f"@:{number} {voice.name}", _line("LFO", (0,) * 5), _line("CH", ch)]
    lines += [_line(name, astuple(operator)) for name, operator in zip(NAMES, voice.operators, strict=True)]
    return "\n".join(lines) + "\n"


def read(text: str) -> Voice:
    """The first voice; raises FormatError naming what is missing or out of range."""
    title = re.search(r"^@: *(\d+) *(.*)$", text, re.MULTILINE)
    if not title:
        raise FormatError("no voice (a line that begins with @:) is in the file. Give an .opm file of a YM2151.")
    rest = text[title.end() :].split("\n@:")[0]
    ch = _numbers(rest, "CH", (127, 7, 7, 3, 7, 127, 1))
    operators = tuple(Operator(*_numbers(rest, name, TOPS)) for name in NAMES)
    return Voice(title[2].strip(), ch[2], ch[1], operators, ch[5] >> 3)


def _numbers(text: str, name: str, tops: tuple[int, ...]) -> list[int]:
    found = re.search(rf"^{name}: *((?:\d+[ \t]*)+)$", text, re.MULTILINE)
    if not found:
        raise FormatError(f"the voice has no line {name}: with its numbers. Give an .opm file of a YM2151.")
    values = [int(word) for word in found[1].split()]
    if len(values) != len(tops) or any(value > top for value, top in zip(values, tops, strict=False)):
        raise FormatError(f"{name}: {found[1].strip()}: takes {len(tops)} numbers up to {tops}. Correct the line.")
    return values


def _line(name: str, values: tuple[int, ...]) -> str:
    return f"{name}:" + "".join(f" {value:3d}" for value in values)
