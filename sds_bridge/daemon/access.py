"""Which files a client may name, and where a job writes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from sds_bridge.errors import InputError

_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
# allowed by nobody who allows the whole disk
_KERNEL = tuple(map(Path, ("/dev", "/proc", "/sys"))) if os.name == "posix" else ()
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE)


def is_unc_or_device(name: str, windows: bool = os.name == "nt") -> bool:
    r"""``//server/share``, ``\\server\share``, ``\\.\pipe``, ``\\?\C:``; on Windows also ``NUL`` and its like, and
    streams, as ``clip.wav:hidden``. To be asked before the name meets the file system: Windows calls a server up."""
    if name.startswith(("//", "\\\\", "\\??\\")) or (windows and re.match(r"[/\\]{2}", name)):
        return True
    if not windows:
        return False
    parts = re.split(r"[/\\]", re.sub(r"^[A-Za-z]:", "", name))
    return any(":" in part or _RESERVED.fullmatch(part) for part in parts)


class Access:
    """Files are read only under ``allowed`` folders, links followed first, and never those in ``private``."""

    def __init__(self, allowed: Sequence[Path], private: Sequence[Path] = ()) -> None:
        self._private = tuple(Path(file).expanduser().resolve() for file in private)
        self.allowed = tuple(dict.fromkeys(Path(folder).expanduser().resolve() for folder in allowed))

    def readable(self, name: str, what: str) -> Path:
        """The real path of an existing file or folder that a client named; ``what`` is the argument's name.

        Raises:
            InputError: not absolute, with ``..``, a network's or a device's, outside the allowed folders, or not there.
        """
        if is_unc_or_device(name):
            raise InputError(f"{what}: {name[:200]!r} is a network or device path. Copy the file to a local folder.")
        if not name or "\0" in name or not Path(name).is_absolute():
            raise InputError(f"{what}: {name[:200]!r} is not an absolute path. Give one as /home/me/clip.wav.")
        if ".." in PurePath(name).parts:
            raise InputError(f"{what}: {name[:200]!r} has '..' in it. Give the path without.")
        try:
            real = Path(name).resolve()
            if not any(real.is_relative_to(folder) for folder in self.allowed) or real in self._private:
                raise InputError(
                    f"{what}: {name} is outside the folders that this daemon reads "
                    f"({', '.join(map(str, self.allowed))}). Copy it into one of them, or start the daemon with --allow FOLDER."
                )
            if not real.exists():
                raise InputError(f"{what}: {name}: no such file. Give the path of an existing one.")
            if any(real.is_relative_to(folder) for folder in _KERNEL) or not (real.is_file() or real.is_dir()):
                raise InputError(f"{what}: {name}: is a device or a pipe. Give the path of an ordinary file.")
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{what}: {name[:200]!r} can't be opened ({error.__class__.__name__}). Give another path."
            ) from None
        return real

    def prior(self, name: str) -> str:
        """A prior by catalogue name or hub id as it is; a folder only where ``readable`` allows it."""
        if not _HUB_ID.fullmatch(name) or ".." in name or ("/" in name and Path(name).exists()):
            return str(self.readable(name, "prior"))
        return name


def defaults(folder: Path) -> list[Path]:
    """The daemon's own folder and the current one (unless that is the root of the disk)."""
    here = Path.cwd()
    return [folder] if here == Path(here.anchor) else [folder, here]


def job_folder(folder: Path, job: int) -> Path:
    """``folder/jobs/<job>``: where a job writes, and nowhere else."""
    return folder / "jobs" / str(job)


def free_job_id(folder: Path) -> int:
    """One above every job folder that exists, so that a new store beside old jobs overwrites none."""
    return (
        max((int(p.name) for p in (folder / "jobs").glob("*") if p.name.isascii() and p.name.isdigit()), default=0) + 1
    )
