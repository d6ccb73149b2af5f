"""Who holds a port (Linux; elsewhere nobody can be named)."""

from __future__ import annotations

from pathlib import Path


def holder(port: int, proc: Path = Path("/proc"), protocol: str = "udp") -> str:
    """``" (held by python3, process 123)"``, or nothing when it can't be seen. ``protocol`` is ``udp`` or ``tcp``."""
    try:
        rows = [line.split() for line in (proc / "net" / protocol).read_text().splitlines()[1:]]
    except OSError:
        return ""
    links = {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    for process in proc.glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in links for fd in (process / "fd").iterdir()):
                return f" (held by {(process / 'comm').read_text().strip()}, process {process.name})"
        except OSError:
            continue
    return ""
