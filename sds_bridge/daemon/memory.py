"""How much memory this machine, or the container that it is, has and can give just now."""

from __future__ import annotations

from pathlib import Path

from sds_bridge.daemon.room import megabytes

_CONTAINER = Path("/sys/fs/cgroup")


def total() -> int:
    """Bytes that all processes together may use."""
    import psutil

    return min(int(psutil.virtual_memory().total), _limit())


def available() -> int:
    """Bytes that a process can have now without others being swapped out, what this one holds already among them."""
    import psutil

    there = int(psutil.virtual_memory().available)
    if _limit() < 1 << 62:
        there = min(there, _limit() - _number("memory.current", 0) + _reclaimable())
    return there + int(psutil.Process().memory_info().rss)


def lacking(wanted: int) -> str:
    """Why a process can't have ``wanted`` bytes just now, or nothing."""
    there = available() if wanted else 0
    return f"needs {megabytes(wanted)} of memory, {megabytes(there)} are free" if there < wanted else ""


def _limit() -> int:
    return _number("memory.max", 1 << 62)


def _number(name: str, otherwise: int) -> int:
    try:
        return int((_CONTAINER / name).read_text())
    except (OSError, ValueError):
        return otherwise


def _reclaimable() -> int:
    try:
        rows = dict(line.split() for line in (_CONTAINER / "memory.stat").read_text().splitlines())
        return int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0
