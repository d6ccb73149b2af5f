"""SuperCollider: sclang compiles the SynthDef that a text adds, and scsynth plays its notes without a sound card."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from sds_bridge.errors import FormatError
from sds_bridge.formats.program_text import hz_of
from sds_bridge.tasks.engines.base import (
    BUILD_SECONDS,
    HOLD,
    PLAY_SECONDS,
    RATE,
    SECONDS,
    Engine,
    Player,
    program_version,
    run,
)

HEADLESS = {
    "QT_QPA_PLATFORM": "offscreen",
    "QTWEBENGINE_DISABLE_SANDBOX": "1",
    "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox",
}
NODE = 1000
# no input, stereo out; scsynth's own limits otherwise, so that what plays here plays in a server as people start it
OPTIONS = ["-i", "0", "-o", "2"]
COMPILE = """
var def = "{text}".load;
if(def.isKindOf(SynthDef)) {{ def.writeDefFile("{folder}"); "compiled".postln }} {{ "no SynthDef".postln }};
0.exit;
"""


def version() -> str | None:
    found = program_version("scsynth", "-v")
    return found if program_version("sclang", "-v") else None


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    with tempfile.TemporaryDirectory(prefix="sds-supercollider-") as name:
        folder = Path(name)
        definition = compiled(path, folder)
        yield lambda note, velocity: play(definition, folder, note, velocity)


def compiled(path: Path, folder: Path) -> Path:
    """The .scsyndef of a text whose last expression is a SynthDef; raises FormatError when it isn't."""
    script = folder / "compile.scd"
    script.write_text(COMPILE.format(text=path.resolve().as_posix(), folder=folder.as_posix()), encoding="utf-8")
    said = run("sclang", ["sclang", script], folder, BUILD_SECONDS, HEADLESS).decode(errors="replace")
    found = list(folder.glob("*.scsyndef"))
    if not found:
        errors = re.findall(r"ERROR: .*", said) or ["no SynthDef"]
        raise FormatError(f"{path}: SuperCollider refuses the file ({errors[0][:200]}). Export it again.")
    return found[0]


def play(definition: Path, folder: Path, note: int, velocity: int) -> np.ndarray:
    """One note, mono, in non-real-time mode: a score of OSC bundles in, a WAV file out."""
    score, sound = folder / "score.osc", folder / "sound.wav"
    controls: list[float | str] = ["freq", hz_of(note), "vel", velocity / 127]
    score.write_bytes(
        _at(0.0, "/d_recv", definition.read_bytes())
        + _at(0.0, "/s_new", definition.stem, NODE, 0, 0, *controls)
        + _at(HOLD, "/n_set", NODE, "gate", 0.0)
        + _at(SECONDS, "/c_set", 0, 0.0)
    )
    run("scsynth", ["scsynth", "-N", score, "_", sound, str(RATE), "WAV", "float", *OPTIONS], folder, PLAY_SECONDS)
    return np.asarray(soundfile.read(sound)[0], dtype=np.float64).mean(1)


def _at(seconds: float, address: str, *arguments: float | int | str | bytes) -> bytes:
    """A bundle of one message, its length before it. Score time starts at 0, not in 1900 as OSC's."""
    message = OscMessageBuilder(address)
    for argument in arguments:
        message.add_arg(argument)
    bundle = OscBundleBuilder(0)
    bundle.add_content(message.build())
    content = bundle.build().dgram
    stamp = struct.pack(">Q", round(seconds * 2**32))
    content = content[:8] + stamp + content[16:]
    return struct.pack(">i", len(content)) + content


ENGINE = Engine(
    "SuperCollider",
    "apt-get install --no-install-recommends supercollider-language supercollider-server (229 MB)",
    version,
    opened,
)
