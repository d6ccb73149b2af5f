"""What plug-ins are installed: each one asked in a process of its own, the answers kept, what crashed put aside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from sds_bridge.errors import PluginError
from sds_bridge.host.folders import cache_folder, plugin_files, plugin_folders
from sds_bridge.host.plugin import Identity, load
from sds_bridge.host.process import PluginProcess
from sds_bridge.patch import write_text

SCAN_SECONDS = 20.0


class Entry(BaseModel):
    """One file. ``problem`` says why it can't be used; ``quarantined`` that it crashed or hung and isn't tried again."""

    path: str
    modified: int
    size: int
    plugins: list[Identity] = []
    parameters: int = 0
    problem: str = ""
    quarantined: bool = False


class Cache(BaseModel):
    """All that scans found, by path."""

    entries: dict[str, Entry] = {}

    @staticmethod
    def path() -> Path:
        return cache_folder() / "plugins.json"

    @classmethod
    def load(cls) -> Cache:
        """Empty where there is none, or one that can't be read."""
        try:
            return cls.model_validate_json(cls.path().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError, json.JSONDecodeError):
            return cls()

    def save(self) -> None:
        self.path().parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path(), self.model_dump_json(indent=1) + "\n")


def scan(
    folders: list[Path],
    *,
    retry: bool = False,
    limit: float = SCAN_SECONDS,
    report: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> list[Entry]:
    """Every plug-in in ``folders``; only what is new or changed is loaded.

    Args:
        retry: load again what has a problem, quarantine included.
        limit: seconds that one plug-in may take.
        report: gets how many are done, of how many, and the next one's name.
    """
    cache = Cache.load()
    paths = list(dict.fromkeys(plugin_files(folders)))
    found = []
    for done, path in enumerate(paths):
        report(done, len(paths), path.stem)
        modified, size = _stamp(path)
        kept = cache.entries.get(str(path))
        if kept is None or (kept.modified, kept.size) != (modified, size) or (retry and kept.problem):
            kept = cache.entries[str(path)] = _ask(path, modified, size, limit)
            cache.save()
        found.append(kept)
    report(len(paths), len(paths), "")
    return found


def scanned(path: Path) -> bool:
    """Whether ``path`` lies in a plug-in folder, or a scan of another folder found it there: nothing else is run."""
    plain = Path(os.path.normpath(path.absolute()))
    folders = (Path(os.path.normpath(folder.absolute())) for folder in plugin_folders())
    return any(plain.is_relative_to(folder) for folder in folders) or str(plain) in Cache.load().entries


def _ask(path: Path, modified: int, size: int, limit: float) -> Entry:
    entry = Entry(path=str(path), modified=modified, size=size)
    try:
        with PluginProcess(limit) as process:
            names = process.request("names", path=str(path))[0]["names"]
            for name in names:
                plugin = load(process, path, name=name, wake=0)
                assert plugin.identity is not None
                entry.plugins.append(plugin.identity)
                entry.parameters = max(entry.parameters, len(plugin.parameters))
    except PluginError as error:
        entry.problem, entry.quarantined = str(error), error.fatal
    return entry


def _stamp(path: Path) -> tuple[int, int]:
    """When the newest of its files was modified, ns, and their size in bytes."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    stats = [p.stat() for p in files]
    return max((s.st_mtime_ns for s in stats), default=0), sum(s.st_size for s in stats)
