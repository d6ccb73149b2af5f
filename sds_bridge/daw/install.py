"""Copies a DAW's files to where it looks. What a user changed is kept, and said."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.daw.catalog import HERE, Daw
from sds_bridge.errors import InputError
from sds_bridge.files import replacing
from sds_bridge.host.folders import System, system

MANIFEST = ".sds-bridge.json"
NEW = ".new"


@dataclass(frozen=True)
class Installed:
    """``kept`` were changed by the user; what we would have written lies beside each, with ``.new`` added."""

    folder: Path | None
    written: list[Path]
    kept: list[Path]


def install(
    daw: Daw,
    to: Path | None = None,
    port: int = 9000,
    force: bool = False,
    on: System | None = None,
    token_file: Path | None = None,
) -> Installed:
    """Write the files of ``daw`` under ``to``, or where it looks on this system (``on``).

    A file that is there and isn't as this program last wrote it is kept, unless ``force``.

    Raises:
        InputError: the DAW doesn't exist on this system, or its folder can't be written.
    """
    folder = Path(to).expanduser().absolute() if to is not None else daw.folder(on or system())
    if not daw.files:
        return Installed(None, [], [])
    if folder is None:
        raise InputError(f"{daw.name}: {daw.title} doesn't run on this system. Give --to FOLDER to have its files.")
    contents = {target: (HERE / source).read_bytes() for source, target in daw.files.items()}
    if daw.configured:
        contents[daw.configured] = configuration(port, token_file).encode()
    try:
        known = _manifest(folder)
        written, kept = [], []
        for target, content in contents.items():
            file = folder / target
            file.parent.mkdir(parents=True, exist_ok=True)
            ours = _digest(content)
            there = _digest(file.read_bytes()) if file.exists() else None
            if there is None or force or there in (ours, known.get(target)):
                _write(file, content)
                file.with_name(file.name + NEW).unlink(missing_ok=True)
                known[target] = ours
                written.append(file)
            else:
                _write(file.with_name(file.name + NEW), content)
                kept.append(file)
        _write(folder / MANIFEST, json.dumps(known, indent=1).encode())
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written ({error.strerror}). Give --to FOLDER that you may write to."
        ) from None
    return Installed(folder, written, kept)


def report(daw: Daw, done: Installed) -> list[str]:
    """Five lines for the user, and one a file that was kept."""
    if done.folder is None:
        where = f"{daw.title}: nothing to copy"
    else:
        names = ", ".join(str(file.relative_to(done.folder)) for file in done.written) or "nothing"
        where = f"{daw.title}: {names} → {done.folder}"
    return [
        where,
        "start: sds-bridge serve --allow FOLDER (where your clips or sessions are)",
        f"first use: {daw.first_use}",
        f"results: {daw.results}",
        f"tried: {daw.tried}",
        *(f"kept, since you changed it: {file} (ours is {file.name}{NEW}; --force overwrites)" for file in done.kept),
    ]


def configuration(port: int, token_file: Path | None = None) -> str:
    """Lua that tells the scripts how to call this program."""
    words = ", ".join(_lua(word) for word in (sys.executable, "-m", "sds_bridge.cli"))
    token = "" if token_file is None else f", token_file = {_lua(str(token_file.expanduser().absolute()))}"
    return f"-- written by `sds-bridge daw install`\nreturn {{ command = {{ {words} }}, port = {port}{token} }}\n"


def _lua(text: str) -> str:
    return (
        '"'
        + "".join(c if c.isalnum() or c in " /._-:" else "".join(f"\\{b:03d}" for b in c.encode()) for c in text)
        + '"'
    )


def _manifest(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(file: Path, content: bytes) -> None:
    with replacing(file) as beside:
        beside.write_bytes(content)
