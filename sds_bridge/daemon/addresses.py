"""The OSC address table. Validation, ``/sds/help`` and the documentation are made from it, so they can't differ."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from sds_bridge.errors import InputError
from sds_bridge.tasks.requests import SeparateRequest, TuneRequest

TYPES = {"id": "a string or number", "i": "a whole number", "f": "a number", "s": "a string"}


@dataclass(frozen=True)
class Argument:
    """``type`` is ``i``, ``f``, ``s``, or ``id`` (a string or number, echoed). ``many``: one or more, last."""

    name: str
    type: str
    many: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.type.replace('id', 's|i')}" + ("…" if self.many else "")


@dataclass(frozen=True)
class Address:
    """``options``: the request whose remaining fields may follow as ``key=value`` strings. ``bare``: the id may be left out."""

    path: str
    doc: str
    takes: tuple[Argument, ...] = ()
    replies: tuple[Argument, ...] = ()
    options: type[BaseModel] | None = None
    pushed: bool = False
    bare: bool = False

    @property
    def option_names(self) -> tuple[str, ...]:
        if self.options is None:
            return ()
        positional = {argument.name for argument in self.takes}
        return (*(name for name in self.options.model_fields if name not in positional), "priority", "token")

    def usage(self) -> str:
        takes = [f"[{a}]" if self.bare and a.name == "id" else str(a) for a in self.takes]
        return " ".join([*takes, *(["[key=value…]"] if self.options else [])])


@dataclass(frozen=True)
class Call:
    """A message that fits its address. ``values`` holds the positionals, ``options`` the text of each ``key=value``."""

    id: str | int | float
    values: dict[str, Any] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def _arguments(text: str) -> tuple[Argument, ...]:
    found = []
    for word in text.split():
        name, kind = word.split(":")
        found.append(Argument(name, kind.rstrip("+"), kind.endswith("+")))
    return tuple(found)


_STATUS = "id:id job:i status:s step:i steps:i seconds_left:f folder:s message:s"

TABLE: dict[str, Address] = {
    address.path: address
    for address in (
        Address(
            "/sds/tune",
            "Tune a synth (fm, modal or dx7) to a text. Options are strings key=value; lock takes names joined by commas, "
            "start the path of a patch.json, token makes a repeated request give the same job, the highest priority "
            "(-100 to 100, else 0) goes first.",
            _arguments("id:id prompt:s synth:s"),
            _arguments("id:id job:i folder:s"),
            TuneRequest,
        ),
        Address(
            "/sds/separate",
            "Separate an audio file into the described stems. Options are strings key=value; so no stem has '=' in it.",
            _arguments("id:id clip:s stems:s+"),
            _arguments("id:id job:i folder:s"),
            SeparateRequest,
        ),
        Address(
            "/sds/job/cancel",
            "Stop a job: queued at once, running at its next step.",
            _arguments("id:id job:i"),
            _arguments("id:id job:i status:s"),
        ),
        Address(
            "/sds/job/status",
            "How a job is: queued, running, done, failed or cancelled. seconds_left is -1 while unknown.",
            _arguments("id:id job:i"),
            _arguments(_STATUS),
        ),
        Address(
            "/sds/job/list",
            "The newest jobs that fit a datagram, newest first.",
            _arguments("id:id"),
            _arguments("id:id job_status_what:s+"),
        ),
        Address("/sds/ping", "Whether the daemon is there.", _arguments("id:id"), _arguments("id:id version:s")),
        Address(
            "/sds/help",
            "This table, a message a row.",
            _arguments("id:id"),
            _arguments("id:id row:i rows:i address:s arguments:s doc:s"),
        ),
        Address(
            "/sds/client/reply_port",
            "Send answers also to this port at the sender's address; 0 ends that. Counts for the sending socket, "
            "and for other sockets at its address that have not set their own.",
            _arguments("id:id port:i"),
            _arguments("id:id port:i"),
        ),
        Address(
            "/sds/hello",
            "Bind the sender's address, which a daemon beyond loopback needs before it answers anything else.",
            _arguments("id:id token:s"),
            _arguments("id:id version:s"),
            bare=True,
        ),
        Address(
            "/sds/monitor",
            "Mirror all OSC traffic to this socket for so many seconds, at most 60; 0 ends it. Ask again to go on.",
            _arguments("id:id seconds:i"),
            _arguments("id:id seconds:i"),
        ),
        Address(
            "/sds/startup",
            "The daemon is ready: to the reply port and to clients with unfinished jobs.",
            (),
            _arguments("version:s port:i"),
            pushed=True,
        ),
        Address(
            "/sds/job/progress",
            "At most ten a second a job.",
            (),
            _arguments("job:i step:i steps:i seconds_left:f"),
            pushed=True,
        ),
        Address(
            "/sds/job/message",
            "A remark of a running job, as words of the prompt that are unknown.",
            (),
            _arguments("job:i text:s"),
            pushed=True,
        ),
        Address(
            "/sds/job/done",
            "A job ended: done, failed (after /sds/error) or cancelled.",
            (),
            _arguments("job:i status:s folder:s"),
            pushed=True,
        ),
        Address(
            "/sds/monitor/packet",
            "To those who watch: direction is in or out; left_out counts packets that were too many to mirror.",
            (),
            _arguments("direction:s peer:s address:s arguments:s left_out:i"),
            pushed=True,
        ),
        Address(
            "/sds/error",
            "What was wrong with a request or its job; id is the request's, or empty.",
            (),
            _arguments("id:id message:s"),
            pushed=True,
        ),
    )
}


def find(path: str) -> Address:
    """Raises InputError with the nearest address when ``path`` is none that the daemon takes."""
    address = TABLE.get(path)
    if address is not None and not address.pushed:
        return address
    taken = [known.path for known in TABLE.values() if not known.pushed]
    near = difflib.get_close_matches(path, taken, 1)
    hint = f"Did you mean {near[0]}?" if near else "Send /sds/help for the addresses there are."
    raise InputError(f"{path[:80]!r}: unknown address. {hint}")


def request_id(values: list[Any]) -> str | int | float:
    """The first argument if it can be echoed, else the empty string."""
    first = values[0] if values else ""
    if isinstance(first, bool) or not isinstance(first, str | int | float) or is_nan(first):
        return ""
    return first[:200] if isinstance(first, str) else first


def check(address: Address, values: list[Any]) -> Call:
    """Fit a message's arguments to its address; whole floats pass for integers.

    Raises:
        InputError: too few, too many, of the wrong type, or an option that is unknown or given twice.
    """
    expected = f"{address.path} takes {address.usage()}"
    named: dict[str, Any] = {}
    rest = ["", *values] if address.bare and len(values) == len(address.takes) - 1 else list(values)
    options: dict[str, str] = {}
    if address.options is not None:
        fixed = sum(not argument.many for argument in address.takes)
        texts = [v for v in rest[fixed:] if isinstance(v, str) and "=" in v]
        rest = rest[:fixed] + [v for v in rest[fixed:] if not (isinstance(v, str) and "=" in v)]
        options = _options(address, texts)
    for argument in address.takes:
        if not rest:
            raise InputError(f"{argument.name}: missing. {expected}.")
        taken, rest = (rest, []) if argument.many else (rest[:1], rest[1:])
        fitted = [_fit(argument, value, expected) for value in taken]
        named[argument.name] = fitted if argument.many else fitted[0]
    if rest:
        raise InputError(f"{str(rest[0])[:60]!r}: one argument too many. {expected}.")
    return Call(named.pop("id"), named, options)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _options(address: Address, texts: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in texts:
        key, value = text.split("=", 1)
        if key not in address.option_names:
            raise InputError(f"{key[:60]!r}: unknown option. {address.path} knows {', '.join(address.option_names)}.")
        if key in options:
            raise InputError(f"{key}: given twice. Give it once.")
        options[key] = value
    return options


def _fit(argument: Argument, value: Any, expected: str) -> Any:
    kind = argument.type
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "id" and (isinstance(value, str) or (number and not is_nan(value))) and len(str(value)) <= 200:
        return value
    if kind == "s" and isinstance(value, str):
        return value
    if kind == "f" and number:
        return float(value)
    if kind == "i" and number and not is_nan(value) and abs(value) < 2**31 and int(value) == value:
        return int(value)
    given = f"{str(value)[:60]!r} ({type(value).__name__})"
    raise InputError(f"{argument.name}: {given} is not {TYPES[kind]}. {expected}.")


def markdown() -> str:
    """The table for the documentation."""
    lines = ["| address | arguments | reply | what |", "|---|---|---|---|"]
    for address in TABLE.values():
        replies = " ".join(map(str, address.replies)).replace("|", "\\|")
        takes = address.usage().replace("|", "\\|")
        row = ("*pushed*", replies) if address.pushed else (takes, replies)
        lines.append(f"| `{address.path}` | {row[0]} | {row[1]} | {address.doc} |")
    lines += [
        f"\nOptions of `{address.path}`: {', '.join(f'`{name}=`' for name in address.option_names)}."
        for address in TABLE.values()
        if address.options is not None
    ]
    return "\n".join(lines) + "\n"
