"""The preset formats by name, and writing a patch to one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sds_bridge.errors import FormatError
from sds_bridge.files import replacing
from sds_bridge.formats import dx7, dx7_bank, dx7_voice, faust_fm, faust_modal, opm, supercollider
from sds_bridge.patch import Patch
from sds_bridge.synths.declarations import SETTINGS

Export = Callable[[Patch], tuple[bytes | str, list[str]]]


@dataclass(frozen=True)
class Format:
    """One preset format.

    Args:
        suffix: of its files.
        holds: whose files these are and what they keep, one line.
        loses: what is rounded or dropped, one line.
        exports: by synth: patch → file content, and what was rounded, merged or dropped in plain words. Empty for a
            format that holds rendered sound, which any patch can become (``tasks/presets.py``).
        imports: which of its files `sds-bridge import` takes, one line; "" for none.
        fitted: synths whose patches ``tasks/presets.py`` fits by ear after this mapping.
    """

    suffix: str
    holds: str
    loses: str
    exports: dict[str, Export]
    fitted: tuple[str, ...] = ()
    imports: str = ""

    def plain(self, synth: str) -> bool:
        """Whether :func:`export` makes the whole file; else ``tasks/presets.py`` does, with torch."""
        return bool(self.exports) and synth not in self.fitted

    @property
    def synths(self) -> list[str]:
        return list(self.exports or SETTINGS)


FORMATS = {
    "dx7": Format(
        ".syx",
        "Yamaha DX7 voice, for a DX7, Dexed and other DX7 players: all of a dx7 patch; an fm patch's operators",
        "of an fm patch noise and room; its matrix becomes one of 32 algorithms, its values the DX7's steps",
        {"dx7": dx7_voice.export, "fm": dx7.export},
        ("fm",),
        "any voice or bank, byte for byte",
    ),
    "opm": Format(
        ".opm",
        "YM2151 voice, for VOPM and other players of the chip: four operators",
        "noise, room, pitch sweep, velocity; the matrix becomes one of 8 connections, ratios one of 64",
        {"fm": opm.export},
        ("fm",),
    ),
    "faust": Format(
        ".dsp",
        "Faust program, compiles to plug-ins and web audio: operators and the whole matrix, or modes and contact noise",
        "the room; noise is another random sequence",
        {"fm": faust_fm.export, "modal": faust_modal.export},
    ),
    "supercollider": Format(
        ".scd",
        "SuperCollider SynthDef: operators and the whole matrix, or modes as Klank and contact noise",
        "the room; noise is another random sequence",
        {"fm": supercollider.export_fm, "modal": supercollider.export_modal},
    ),
    "sfz": Format(
        ".sfz",
        "samples over keys and velocities with loops, for any sampler",
        "the synth itself: its parameters can't be changed any more",
        {},
        imports="one that this program wrote, for it carries its patch; others are recordings, and no synth here plays them",
    ),
    "vital": Format(
        ".vital",
        "Vital preset: the sound at the tuned note in the sample oscillator, its loudness over velocity and its release",
        "the synth itself; other keys play the sample faster or slower; a note ends after 8 s",
        {},
        imports="one that this program wrote, for it carries its patch; no synth here has Vital's wavetables and filters",
    ),
}


def bank(
    patches: list[Patch], make: Callable[[Patch], tuple[bytes, list[str]]] = lambda patch: export(patch, "dx7")
) -> tuple[bytes, list[str]]:
    """Up to 32 patches of ``dx7`` or ``fm`` as a DX7 bank, and what was lost, by number; ``make`` gives each voice."""
    voices, report = [], []
    for number, patch in enumerate(patches, 1):
        content, lines = make(patch)
        voices += dx7_bank.read_voices(bytes(content))
        report += [f"{number}: {line}" for line in lines]
    device = patches[0].provenance.get("device", 0) if patches else 0
    return dx7_bank.write_bank(voices, device), report


def of(name: str) -> Format:
    """Raises FormatError for an unknown name."""
    if name not in FORMATS:
        raise FormatError(f"format {name!r} is unknown; there are: {', '.join(FORMATS)}. Choose one of them.")
    return FORMATS[name]


def export(patch: Patch, to: str) -> tuple[bytes, list[str]]:
    """A patch as a file's content; raises FormatError for an unknown format, or one that can't hold its synth."""
    exports = of(to).exports
    if patch.synth not in exports:
        fitting = [name for name, one in FORMATS.items() if patch.synth in one.synths]
        raise FormatError(
            f"{to} takes patches of {' and '.join(exports)}; this one is {patch.synth}."
            f" Export it to {' or '.join(fitting) or 'nothing yet'}."
        )
    content, report = exports[patch.synth](patch)
    return content.encode("utf-8") if isinstance(content, str) else content, report


def write(patch: Patch, to: str, path: str | Path) -> list[str]:
    """Export a patch to a file, replaced as a whole; returns what was rounded, merged or dropped.

    Raises:
        FormatError: an unknown format, a patch of another synth, or a file that can't be written.
    """
    content, report = export(patch, to)
    save(content, path)
    return report


def save(content: bytes, path: str | Path) -> None:
    """Write beside, then rename; raises FormatError when that can't be done."""
    path = Path(path)
    try:
        with replacing(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise FormatError(
            f"{path}: can't be written ({error.strerror}). Give a file in a folder you may write to."
        ) from None
