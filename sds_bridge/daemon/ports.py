"""Who holds a port (Linux; elsewhere nobody can be named)."""

from __future__ import annotations

import contextlib
from pathlib import Path


def holder(port: int, proc: Path = Path("/proc"), protocol: str = "udp") -> str:
    """``" (held by python3, process 123)"``, or nothing when it can't be seen. ``protocol`` is ``udp`` or ``tcp``.

    A socket for both IPv6 and IPv4 holds it too. Of another user's process only the user can be told.
    """
    rows: list[list[str]] = []
    for table in (protocol, f"{protocol}6"):
        try:
            rows += [line.split() for line in (proc / "net" / table).read_text().splitlines()[1:]]
        except OSError:
            continue
    # a connection that ended (state 06) holds no port against a listener
    found = [row for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] != "06"]
    links = {f"socket:[{row[9]}]" for row in found}
    for process in proc.glob("[0-9]*"):
        try:
            if links & _open(process):
                return f" (held by {(process / 'comm').read_text().strip()}, process {process.name})"
        except OSError:
            continue
    return f" (held by a process of user {_user(int(found[0][7]))})" if found else ""


def _open(process: Path) -> set[str]:
    """What the process' descriptors stand for, but for those that it closes meanwhile."""
    found = set()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(descriptor.readlink()))
    return found


def _user(number: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return str(number)
