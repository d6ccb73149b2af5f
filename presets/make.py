"""Make the factory library, or parts of it, again: `python presets/make.py [NAME …] [--check]`.

Each patch of `recipe.toml` is tuned by the bundled prior, exported, played by the formats' real engines, rendered and
drawn. A patch whose alignment doesn't rise is tried with the next seed; a preset that its engine plays differently is left out.
`arithmetic.py` is there so that the same bytes come out on every x86-64 machine with AVX2 and the packages of `constraints.txt`.
"""

from __future__ import annotations

import filecmp
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import arithmetic
import typer
from jinja2 import Environment, FileSystemLoader

from sds_bridge.errors import FormatError, SdsBridgeError

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Entry:
    """One ``[[patch]]`` of the recipe; ``seeds`` where the library's gave what another patch is already."""

    synth: str
    group: str
    prompt: str
    note: str
    seeds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder; the DX7's patches, which are most, go without the synth."""
        said = re.sub(r"[^a-z0-9]+", "-", self.prompt.lower()).strip("-")
        return said if self.synth == "dx7" else f"{said}-{self.synth}"

    @property
    def folder(self) -> Path:
        return Path(self.group) / self.name


class NotMadeError(Exception):
    """No seed of the recipe gave a patch that may enter."""


def recipe() -> tuple[dict[str, Any], list[Entry]]:
    told = tomllib.loads((HERE / "recipe.toml").read_text("utf-8"))
    return told, [Entry(**one | {"seeds": tuple(one.get("seeds", ()))}) for one in told.pop("patch")]


def _begin() -> None:
    """Of each child process."""
    from sds_bridge.cli.console import prepare_torch

    prepare_torch()
    arithmetic.matrix_products_by_openblas()


def make(entry: Entry, told: dict[str, Any], out: Path) -> str:
    """Tune, export, verify, render and draw one entry into ``out / entry.folder``; one line about it.

    Raises:
        NotMadeError: says what each seed came to.
    """
    tried = []
    for seed in entry.seeds or told["library"]["seeds"]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            about = _tuned(entry, seed, folder / "tune")
            rise = about["alignment"][1] - about["alignment"][0]
            if rise < told["library"]["rise"]:
                tried.append(f"seed {seed}: alignment {rise:+.3f}")
                continue
            about["presets"] = _presets(entry, told, folder)
            if not about["presets"]:
                tried.append(f"seed {seed}: no preset sounds like it")
                continue
            _show(folder)
            (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
            shutil.rmtree(folder / "tune")
            _replace(folder, out / entry.folder)
            heard = ", ".join(f"{p['format']} {p['correlation']:.2f}" for p in about["presets"])
            before, after = about["alignment"]
            return f"{entry.folder}: seed {seed}, alignment {before:+.3f} → {after:+.3f}, {heard}"
    raise NotMadeError(f"{entry.folder}: {'; '.join(tried)}")


def _tuned(entry: Entry, seed: int, folder: Path) -> dict[str, Any]:
    from sds_bridge.patch import Patch
    from sds_bridge.tasks import tune
    from sds_bridge.tasks.requests import TuneRequest

    folder.mkdir()
    asked = {"prompt": entry.prompt, "synth": entry.synth, "note": entry.note, "seed": seed}
    summary = tune.run(TuneRequest.model_validate(asked), folder, lambda _: None, lambda: False).summary
    patch = Patch.load(folder / "patch.json")
    # the whole library's versions are in made-with.json, once
    del patch.provenance["versions"]
    patch.save(folder.parent / "patch.json")
    return {
        "prompt": entry.prompt,
        "synth": entry.synth,
        "group": entry.group,
        "note": entry.note,
        "seed": seed,
        "command": f'sds-bridge tune "{entry.prompt}" --synth {entry.synth} --note {entry.note} --seed {seed} --out patch',
        "alignment": [round(summary["alignment_before"], 3), round(summary["alignment_after"], 3)],
        "judge": summary["judge"],
        "prior": patch.provenance["prior"],
    }


def _presets(entry: Entry, told: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Those that their engine plays as the patch sounds; the others' files are removed.

    Raises:
        FormatError: an engine isn't installed here.
    """
    from sds_bridge.formats.catalog import FORMATS
    from sds_bridge.patch import Patch
    from sds_bridge.tasks import presets
    from sds_bridge.tasks.engines.catalog import ENGINES
    from sds_bridge.tasks.verify import verify

    patch = Patch.load(folder / "patch.json")
    kept = []
    for to in told["formats"][entry.synth]:
        path = folder / f"{entry.name}{FORMATS[to].suffix}"
        lost = presets.export(patch, to, path)
        verdict = verify(patch, to, path, notes=())
        if verdict.preview is None:
            raise FormatError(f"{to} can't be verified: {verdict.reason}")
        if verdict.preview.correlation < told["library"]["correlation"]:
            path.unlink()
            continue
        kept.append(
            {
                "format": to,
                "file": path.name,
                "engine": ENGINES[to].title,
                "correlation": round(verdict.preview.correlation, 2),
                "lost": lost,
            }
        )
    return kept


def _show(folder: Path) -> None:
    """``preview.flac`` and ``spectrogram.png``."""
    import soundfile

    from sds_bridge import audio
    from sds_bridge.tasks.picture import panels

    heard = audio.load(folder / "tune" / "preview.wav")
    soundfile.write(folder / "preview.flac", heard.samples.T, heard.rate, subtype="PCM_16")
    panels(folder / "spectrogram.png", [("", heard.samples)], heard.rate, "")


def _replace(made: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    for file in made.iterdir():
        shutil.copyfile(file, beside / file.name)
    if target.exists():
        shutil.rmtree(target)
    os.replace(beside, target)


def _banks(told: dict[str, Any], entries: list[Entry], out: Path) -> None:
    """``banks/NAME.syx``, the DX7 patches of its groups in the recipe's order."""
    from sds_bridge.formats import catalog
    from sds_bridge.patch import Patch

    (out / "banks").mkdir(exist_ok=True)
    for name, groups in told["banks"].items():
        voices = [e for group in groups for e in entries if e.synth == "dx7" and e.group == group]
        content, _ = catalog.bank([Patch.load(out / e.folder / "patch.json") for e in voices])
        catalog.save(content, out / "banks" / f"{name}.syx")


def _page(told: dict[str, Any], entries: list[Entry], out: Path) -> None:
    """``index.html``, to look and listen through; and ``made-with.json``."""
    from sds_bridge.patch import write_text
    from sds_bridge.tasks.engines.catalog import ENGINES
    from sds_bridge.tasks.provenance import versions

    patches = [
        json.loads((out / e.folder / "about.json").read_text("utf-8")) | {"folder": e.folder.as_posix()}
        for e in entries
    ]
    page = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    groups = list(dict.fromkeys(sorted(e.group for e in entries)))
    write_text(
        out / "index.html",
        page.get_template("index.html.j2").render(groups=groups, patches=patches, banks=told["banks"]) + "\n",
    )
    engines = {ENGINES[to].title: ENGINES[to].version() for formats in told["formats"].values() for to in formats}
    write_text(out / "made-with.json", json.dumps(versions() | engines, indent=1) + "\n")


def _differences(made: Path, entries: list[Entry]) -> Iterator[str]:
    """Files of the library that came out otherwise, but for the versions."""
    folders = [e.folder for e in entries]
    for folder in folders:
        names = {p.name for root in (made, HERE) for p in (root / folder).glob("*")}
        for name in sorted(names):
            pair = [root / folder / name for root in (made, HERE)]
            if not all(p.exists() for p in pair) or not filecmp.cmp(*pair, shallow=False):
                yield f"{folder / name}: not the same bytes"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="patches to make; all of the recipe without")] = None,
    check: Annotated[bool, typer.Option("--check", help="make them elsewhere and compare every byte")] = False,
    missing: Annotated[bool, typer.Option("--missing", help="only those that aren't there yet")] = False,
    jobs: Annotated[int, typer.Option(help="processes, each with one thread")] = os.cpu_count() or 1,
) -> None:
    """Make the factory library again."""
    arithmetic.enter()
    told, entries = recipe()
    unknown = set(names or ()) - {e.name for e in entries}
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: not in recipe.toml. Give the name of a patch's folder.")
    wanted = [e for e in entries if not names or e.name in names]
    if missing:
        wanted = [e for e in wanted if not (HERE / e.folder / "about.json").exists()]
    out = Path(tempfile.mkdtemp(prefix="sds-presets-")) if check else HERE
    bad = []
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin) as pool:
        waiting = {pool.submit(make, e, told, out): e for e in wanted}
        for done, one in enumerate(as_completed(waiting), 1):
            try:
                print(f"{done}/{len(waiting)} {one.result()}", flush=True)
            except (NotMadeError, SdsBridgeError) as error:
                bad.append(f"{waiting[one].name}: {error}")
                print(f"{done}/{len(waiting)} NOT MADE {error}", flush=True)
    if check:
        bad += _differences(out, wanted)
        shutil.rmtree(out)
        if not bad:
            print(f"{len(wanted)} made again, the same bytes")
    elif all((HERE / e.folder / "about.json").exists() for e in entries):
        _banks(told, entries, HERE)
        _page(told, entries, HERE)
    for line in bad:
        print(line, file=sys.stderr)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
