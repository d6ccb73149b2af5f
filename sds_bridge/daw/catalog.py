"""Each DAW: which files go where on which system, how they are first used, where results land, and what was tried."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.host.folders import System

HERE = Path(__file__).parent
CONFIG = "sds_bridge_config.lua"
ENVIRONMENT = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Daw:
    """``folders`` may hold ``~``, ``${NAME}`` and, in one part, ``*``: the newest that exists, else ``newest``.

    ``files`` are paths in this package, and where they go under the folder; ``configured`` is where the file lies that
    tells the scripts how to call us, if they do.
    """

    name: str
    title: str
    folders: Mapping[System, str]
    newest: str
    files: Mapping[str, str]
    configured: str | None
    first_use: str
    results: str
    tried: str

    def folder(self, system: System) -> Path | None:
        """Where this DAW looks; None where nothing is to be put anywhere."""
        template = self.folders.get(system)
        if template is None:
            return None
        filled = Path(ENVIRONMENT.sub(lambda m: os.environ.get(m[1], f"~/{m[1]}"), template)).expanduser()
        starred = next((i for i, part in enumerate(filled.parts) if "*" in part), None)
        if starred is None:
            return filled
        parent, rest = Path(*filled.parts[:starred]), filled.parts[starred + 1 :]
        found = sorted(parent.glob(filled.parts[starred]), key=_number)
        version = found[-1].name if found else filled.parts[starred].replace("*", self.newest)
        return parent.joinpath(version, *rest)


def _number(folder: Path) -> int:
    digits = re.sub(r"\D", "", folder.name)
    return int(digits) if digits else -1


DAWS: dict[str, Daw] = {
    daw.name: daw
    for daw in (
        Daw(
            "ardour",
            "Ardour 7",
            {
                "linux": "~/.config/ardour*/scripts",
                "macos": "~/Library/Preferences/Ardour*/scripts",
                "windows": "${LOCALAPPDATA}/ardour*/scripts",
            },
            "7",
            {
                "ardour/sds_separate.lua": "sds_separate.lua",
                "ardour/sds_tune.lua": "sds_tune.lua",
                "ardour/sds_ardour.lua": "sds-bridge/sds_ardour.lua",
                "ardour/session_file.lua": "sds-bridge/session_file.lua",
                "lua/bridge.lua": "sds-bridge/bridge.lua",
            },
            f"sds-bridge/{CONFIG}",
            "Edit > Lua Scripts > Script Manager > Action Scripts: set a slot to an 'SDS Bridge' script; select a region; run it",
            "stems as tracks at the region's position, which is muted; a tuned patch as a MIDI track with its plug-in",
            "run in Ardour 7.3 on Linux without a display; the dialogs and the editor's import were not",
        ),
        Daw(
            "reaper",
            "REAPER",
            {
                "linux": "~/.config/REAPER/Scripts/SDS Bridge",
                "macos": "~/Library/Application Support/REAPER/Scripts/SDS Bridge",
                "windows": "${APPDATA}/REAPER/Scripts/SDS Bridge",
            },
            "",
            {
                "reaper/sds_separate.lua": "sds_separate.lua",
                "reaper/sds_tune.lua": "sds_tune.lua",
                "reaper/sds_reaper.lua": "sds_reaper.lua",
                "lua/bridge.lua": "bridge.lua",
            },
            CONFIG,
            "Actions > Show action list > New action > Load ReaScript: sds_separate.lua, sds_tune.lua; select items; run it",
            "stems on new tracks under the item's, which is muted; a tuned patch's preview at the edit cursor",
            "run under plain Lua against a stub of REAPER's API; never in REAPER itself",
        ),
        Daw(
            "puredata",
            "Pure Data",
            {"linux": "~/.local/lib/pd/extra", "macos": "~/Library/Pd", "windows": "${APPDATA}/Pd"},
            "",
            {"puredata/sds-bridge.pd": "sds-bridge.pd", "puredata/sds-bridge-help.pd": "sds-bridge-help.pd"},
            None,
            "make an object [sds-bridge]; send 'tune kick fm' to its left inlet; its help patch shows the rest",
            "the right outlet gives 'done' and the job's folder, with patch.json and preview.wav or the stems",
            "run in Pure Data 0.53 on Linux",
        ),
        Daw(
            "max",
            "Max/MSP",
            {
                "macos": "~/Documents/Max */Packages/SDS Bridge",
                "windows": "${USERPROFILE}/Documents/Max */Packages/SDS Bridge",
            },
            "8",
            {
                "max/sds-bridge.maxpat": "patchers/sds-bridge.maxpat",
                "max/sds-bridge.maxhelp": "help/sds-bridge.maxhelp",
                "max/package-info.json": "package-info.json",
            },
            None,
            "make an object [sds-bridge]; send 'tune kick fm' to its left inlet; right-click it for its help",
            "the right outlet gives 'done' and the job's folder, with patch.json and preview.wav or the stems",
            "checked as JSON, its objects and cords too; never opened in Max",
        ),
        Daw(
            "harp",
            "HARP 3, from any DAW that opens an external editor",
            {},
            "",
            {},
            None,
            "in HARP load the model http://localhost:9080/harp/separate (or /harp/separate-3, /harp/tune); name stems; Process",
            "as HARP's output tracks, to save or to drag back; every file also in the daemon's jobs folder",
            "HARP's requests, as its source sends them, were sent to the daemon; never run in HARP itself",
        ),
    )
}
