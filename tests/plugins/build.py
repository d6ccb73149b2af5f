"""Builds the plug-ins that the tests host: real VST3 bundles, from DPF's sources (Debian's ``dpf-source``) and g++.

``built("FM6")`` gives a bundle's path, compiled once and kept by the hash of its sources in ``$SDS_BRIDGE_TEST_PLUGINS``
or the user's cache folder. ``Unavailable`` says why there is none. ``python tests/plugins/build.py`` builds all.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
DPF = Path("/usr/share/dpf/distrho")
NEKOBI_SOURCE = "http://deb.debian.org/debian/pool/main/d/dpf-plugins/dpf-plugins_1.6+ds.orig.tar.xz"
NEKOBI_SHA256 = "15492ec9693f09e676e6a18e7e35f8861c6340e70ecb53e1404d0b803bf1f98a"

# name → folder of its sources, file to compile, further flags
PLUGINS: dict[str, tuple[str, str, list[str]]] = {
    "FM6": ("FM6", "FM6.cpp", []),
    "FM6Late": ("FM6", "FM6.cpp", ["-DFM6_LATENCY=300"]),
    "Late": ("Late", "Late.cpp", []),
    "CrashAtLoad": ("Broken", "Broken.cpp", ["-DCRASH_AT_LOAD", '-DBROKEN_NAME="CrashAtLoad"']),
    "CrashInRender": ("Broken", "Broken.cpp", ["-DCRASH_IN_RENDER", '-DBROKEN_NAME="CrashInRender"']),
    "HangInRender": ("Broken", "Broken.cpp", ["-DHANG_IN_RENDER", '-DBROKEN_NAME="HangInRender"']),
    "Nekobi": ("", "DistrhoPluginNekobi.cpp", []),
}

# Without these DPF declares 2080 parameters for MIDI controllers, which take pedalboard 20 s to list, and parameter 0
# reads as 0.
EDITS = {
    "DistrhoPluginVST.hpp": [("MidiCC_start + 130*16", "MidiCC_start + 130*DPF_MIDI_CC_CHANNELS")],
    "DistrhoPluginVST3.cpp": [
        ("rindex <= kVst3InternalParameterMidiCC_end", "rindex < kVst3InternalParameterMidiCC_end"),
        (
            "channel >= 0 && channel < 16, channel, V3_FALSE);",
            "channel >= 0 && channel < 16, channel, V3_FALSE);\n        if (channel >= DPF_MIDI_CC_CHANNELS) return V3_FALSE;",
        ),
    ],
}


class Unavailable(Exception):
    """Why a plug-in can't be built here."""


def built(name: str) -> Path:
    """Path of ``NAME.vst3``, compiled if it isn't there yet; raises Unavailable."""
    folder, main, flags = PLUGINS[name]
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        raise Unavailable(f"the recipe is for Linux on x86_64, not {sys.platform} on {platform.machine()}")
    if not shutil.which("g++"):
        raise Unavailable("g++ is missing: apt-get install g++")
    if not DPF.is_dir():
        raise Unavailable("DPF's sources are missing: apt-get install dpf-source")
    sources = HERE / folder if folder else _nekobi_sources()
    bundle = _cache() / _key(sources, flags) / f"{name}.vst3"
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
            made = _compile(name, sources, main, flags, Path(scratch))
            if not bundle.exists():
                made.rename(bundle)
    return bundle


def _compile(name: str, sources: Path, main: str, flags: list[str], scratch: Path) -> Path:
    dpf = scratch / "dpf"
    shutil.copytree(DPF, dpf)
    for file, edits in EDITS.items():
        path = dpf / "src" / file
        text = path.read_text()
        for old, new in edits:
            if old not in text:
                raise Unavailable(f"{path.name} of this dpf-source has no {old!r}; the recipe is for 1.6")
            text = text.replace(old, new)
        path.write_text(text)
    library = scratch / f"{name}.vst3" / "Contents" / "x86_64-linux" / f"{name}.so"
    library.parent.mkdir(parents=True)
    command = ["g++", "-std=c++11", "-O2", "-fno-math-errno", "-fPIC", "-shared", "-fvisibility=hidden", "-w"]
    command += ["-DDISTRHO_PLUGIN_TARGET_VST3", "-DDPF_MIDI_CC_CHANNELS=0", "-DNDEBUG", *flags]
    command += [f"-I{sources}", f"-I{dpf}", f"-I{dpf / 'src'}", str(dpf / "DistrhoPluginMain.cpp"), str(sources / main)]
    command += ["-o", str(library), "-Wl,--no-undefined", "-ldl", "-lpthread", "-lm", "-s"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"g++ failed on {name}: {done.stderr.strip().splitlines()[0]}")
    return library.parents[2]


def _nekobi_sources() -> Path:
    """Nekobi (GPL-2.0-or-later) out of Debian's source archive, 57 MB fetched once; its window isn't built."""
    kept = _cache() / "Nekobi-1.6"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        archive = Path(scratch) / "dpf-plugins.tar.xz"
        try:
            with urllib.request.urlopen(NEKOBI_SOURCE, timeout=20) as reply, archive.open("wb") as file:
                shutil.copyfileobj(reply, file)
        except (urllib.error.URLError, OSError) as error:
            raise Unavailable(f"Nekobi's sources can't be fetched from {NEKOBI_SOURCE} ({error})") from None
        if hashlib.sha256(archive.read_bytes()).hexdigest() != NEKOBI_SHA256:
            raise Unavailable(f"{NEKOBI_SOURCE} isn't the archive that the recipe is for")
        prefix = "dpf-plugins-1.6+ds/plugins/Nekobi/"
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, [m for m in tar if m.name.startswith(prefix)], filter="data")
        sources = Path(scratch) / prefix
        info = sources / "DistrhoPluginInfo.h"
        text = info.read_text().replace('#include "DistrhoArtworkNekobi.hpp"', "")
        text = text.replace("#define DISTRHO_PLUGIN_HAS_UI        1", "#define DISTRHO_PLUGIN_HAS_UI 0")
        info.write_text("\n".join(line for line in text.splitlines() if "DistrhoArtwork" not in line) + "\n")
        if not kept.is_dir():
            sources.rename(kept)
    return kept


def _cache() -> Path:
    named = os.environ.get("SDS_BRIDGE_TEST_PLUGINS")
    return Path(named) if named else Path.home() / ".cache" / "sds-bridge-test-plugins"


def _key(sources: Path, flags: list[str]) -> str:
    digest = hashlib.sha256(repr((flags, EDITS)).encode())
    for file in [Path(__file__), *sorted(p for p in sources.rglob("*") if p.is_file())]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    for plugin in PLUGINS:
        try:
            print(built(plugin))
        except Unavailable as reason:
            print(f"{plugin}: {reason}")
