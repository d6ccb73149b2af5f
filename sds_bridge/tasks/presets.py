"""A patch as a preset file of any format: those that hold rendered sound, and those that are fitted by ear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sds_bridge.formats import catalog, dx7, dx7_sysex, opm, opm_laws, opm_voice
from sds_bridge.patch import Patch
from sds_bridge.tasks import limits, multisample, refine, vital_sample
from sds_bridge.tasks.engines.catalog import ENGINES

RENDERED: dict[str, Callable[[Patch, Path, bool], list[str]]] = {
    "sfz": multisample.export,
    "vital": vital_sample.export,
}


def export(patch: Patch, to: str, out: Path, force: bool = False) -> list[str]:
    """Write the file; says what was rounded, merged or dropped.

    Args:
        force: write over a folder of samples that is there already.

    Raises:
        FormatError: an unknown format, one that can't hold this synth, or a file that can't be written.
        InputError: a name that doesn't fit the format.
        PatchError: values that don't fit the synth.
    """
    if to in RENDERED:
        return RENDERED[to](patch, out, force)
    if patch.synth not in catalog.of(to).fitted:
        return catalog.write(patch, to, out)
    content, report = FITTED[to](patch)
    catalog.save(content, out)
    return report


def bank(patches: list[Patch]) -> tuple[bytes, list[str]]:
    """As :func:`sds_bridge.formats.catalog.bank`, each voice as :func:`export` writes it."""
    return catalog.bank(
        patches, lambda patch: fitted_dx7(patch) if patch.synth == "fm" else catalog.export(patch, "dx7")
    )


def fitted_dx7(patch: Patch) -> tuple[bytes, list[str]]:
    """An FM patch as a DX7 voice that was fitted in our own DX7, and what was lost."""
    voice, report = dx7.convert(patch)
    if not any(operator.output_level for operator in voice.operators):
        return dx7_sysex.write_voice(voice), report
    refined = refine.refine_dx7(patch, voice)
    report += limits.explain(patch, dx7.missing(patch), refined, "our DX7", None)
    return dx7_sysex.write_voice(refined.voice), report


def fitted_opm(patch: Patch) -> tuple[bytes, list[str]]:
    """An FM patch as a YM2151 voice that was fitted in ymfm, where that is installed, and what was lost."""
    text, report = opm.export(patch)
    voice = opm_voice.read(text)
    if ENGINES["opm"].version() is None:
        return text.encode("utf-8"), [*report, f"not fitted by ear: {ENGINES['opm'].state()}"]
    if all(operator.tl == opm_voice.SILENT for operator in voice.operators):
        return text.encode("utf-8"), report
    refined = refine.refine_opm(patch, voice)
    output = ("the chip's ten-bit converter", opm_laws.converted)
    report += limits.explain(patch, opm.missing(patch), refined, ENGINES["opm"].state(), output)
    return opm_voice.write(refined.voice).encode("utf-8"), report


FITTED: dict[str, Callable[[Patch], tuple[bytes, list[str]]]] = {"dx7": fitted_dx7, "opm": fitted_opm}
