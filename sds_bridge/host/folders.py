"""Where plug-ins, our specs and the scan's cache lie on each system. All of it is data, but for the walk."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

System = Literal["linux", "macos", "windows"]

SUFFIX: Final = ".vst3"
# Steinberg, "Plug-in Locations", VST 3 developer portal
PLUGIN_FOLDERS: Final[dict[System, tuple[str, ...]]] = {
    "linux": ("~/.vst3", "/usr/lib/vst3", "/usr/local/lib/vst3"),
    "macos": ("~/Library/Audio/Plug-Ins/VST3", "/Library/Audio/Plug-Ins/VST3", "/Network/Library/Audio/Plug-Ins/VST3"),
    "windows": ("${LOCALAPPDATA}/Programs/Common/VST3", "${COMMONPROGRAMFILES}/VST3"),
}
CACHE_FOLDERS: Final[dict[System, str]] = {
    "linux": "${XDG_CACHE_HOME}/sds-bridge",
    "macos": "~/Library/Caches/sds-bridge",
    "windows": "${LOCALAPPDATA}/sds-bridge/Cache",
}
SPEC_FOLDERS: Final[dict[System, str]] = {
    "linux": "${XDG_CONFIG_HOME}/sds-bridge/plugin_specs",
    "macos": "~/Library/Application Support/sds-bridge/plugin_specs",
    "windows": "${APPDATA}/sds-bridge/plugin_specs",
}
FALLBACKS: Final = {"XDG_CACHE_HOME": "~/.cache", "XDG_CONFIG_HOME": "~/.config"}


def system() -> System:
    return "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" else "linux"


def plugin_folders() -> list[Path]:
    """``$SDS_BRIDGE_PLUGINS`` (as PATH is written) before the system's own."""
    named = [p for p in os.environ.get("SDS_BRIDGE_PLUGINS", "").split(os.pathsep) if p]
    return [Path(p) for p in named] + [p for t in PLUGIN_FOLDERS[system()] if (p := _expanded(t)) is not None]


def spec_folders() -> list[Path]:
    """The user's first, then the one of the checkout that this package lies in, then the one that a wheel installs."""
    named = os.environ.get("SDS_BRIDGE_SPECS")
    mine = Path(named) if named else _expanded(SPEC_FOLDERS[system()])
    checkout = Path(__file__).parents[2] / "plugin_specs"
    installed = Path(sysconfig.get_path("data")) / "share" / "sds-bridge" / "plugin_specs"
    return [folder for folder in (mine, checkout, installed) if folder is not None]


def cache_folder() -> Path:
    """``$SDS_BRIDGE_CACHE``, or the system's own place for caches."""
    named = os.environ.get("SDS_BRIDGE_CACHE")
    return Path(named) if named else _expanded(CACHE_FOLDERS[system()]) or Path.home() / ".sds-bridge"


def plugin_files(folders: list[Path]) -> Iterator[Path]:
    """Every .vst3 file or bundle, sorted; what lies within a bundle is its own affair."""
    for folder in folders:
        for parent, directories, files in os.walk(folder):
            bundles = [d for d in directories if d.lower().endswith(SUFFIX)]
            directories[:] = sorted(d for d in directories if d not in bundles)
            yield from (Path(parent) / n for n in sorted([*bundles, *(f for f in files if f.lower().endswith(SUFFIX))]))


def _expanded(text: str) -> Path | None:
    """``~`` and ``${NAME}`` filled in; None where the system has no such variable."""
    if text.startswith("${"):
        name, rest = text[2:].split("}", 1)
        value = os.environ.get(name) or FALLBACKS.get(name)
        if not value:
            return None
        text = value + rest
    return Path(text).expanduser()
