"""``export`` and ``render``: what a patch is turned into."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sds_bridge.cli.console import follow, prepare_torch
from sds_bridge.errors import InputError

app = typer.Typer()


@app.command()
def export(
    patches: Annotated[list[Path], typer.Argument(help="patch.json; several for a bank")],
    to: Annotated[str, typer.Option(help="a name from `sds-bridge formats`, dx7-bank, or vstpreset")],
    out: Annotated[Path, typer.Option("--out", "-o", help="preset file to write")],
    check: Annotated[bool, typer.Option("--verify", help="play it in its real engine beside the patch")] = False,
    plugin: Annotated[str | None, typer.Option(help="of a vstpreset: a spec's name, or a .vst3 path")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Write a patch as a preset, and say what the format could not hold."""
    from sds_bridge.formats import catalog
    from sds_bridge.patch import Patch

    _refuse_existing(out, force)
    loaded = [Patch.load(path) for path in patches]
    if to == "dx7-bank":
        if all(catalog.of("dx7").plain(patch.synth) for patch in loaded):
            content, report = catalog.bank(loaded)
        else:
            prepare_torch()
            from sds_bridge.tasks import presets

            content, report = presets.bank(loaded)
        catalog.save(content, out)
    elif len(loaded) > 1:
        raise InputError(f"{len(loaded)} patches were given; {to} holds one. Give one, or use --to dx7-bank.")
    elif to == "vstpreset":
        from sds_bridge.tasks import plugin_preset

        if plugin is None:
            raise InputError("a vstpreset is of one plug-in. Give --plugin with a spec's name, as --plugin fm6.")
        report = plugin_preset.export(loaded[0], plugin, out)
    elif catalog.of(to).plain(loaded[0].synth):
        report = catalog.write(loaded[0], to, out)
    else:
        prepare_torch()
        from sds_bridge.tasks import presets

        report = presets.export(loaded[0], to, out, force)
    for line in report:
        print(f"- {line}")
    if check and to == "dx7-bank":
        print("not verified: a bank is not played; export and verify its patches one by one")
    elif check and plugin is not None:
        prepare_torch()
        from sds_bridge.tasks import plugin_preset
        from sds_bridge.tasks.verify import compare

        with plugin_preset.opened(plugin, out) as play:
            print(*compare(loaded[0], f"{plugin}, loaded anew", play).lines(), sep="\n  ")
    elif check:
        prepare_torch()
        from sds_bridge.tasks.verify import verify

        print(*verify(loaded[0], to, out).lines(), sep="\n  ")
    print(out)


@app.command()
def formats() -> None:
    """List preset formats: whose patches they hold, what is lost, and which engine verifies them here."""
    from sds_bridge.formats.catalog import FORMATS
    from sds_bridge.tasks.engines.catalog import ENGINES

    for name, one in FORMATS.items():
        engine = ENGINES[name].state() if name in ENGINES else "no engine is wired up"
        print(f"{name} ({one.suffix}), from {', '.join(one.synths)}")
        print(f"  holds: {one.holds}")
        print(f"  loses: {one.loses}")
        print(f"  verified by: {engine}")
        print(f"  import: {one.imports or 'no'}")
    print("vstpreset (.vstpreset), of any hosted VST3")
    print(
        "  holds: the plug-in's whole state: `export --plugin` carries a patch over by its spec's mapping, `match` and"
    )
    print("    `tune … --plugin` fit it to a sound, for plug-ins without a mapping too")
    print("  loses: what the plug-in lacks, which export lists; the distance that is left is printed")
    print("  verified by: the plug-in itself, loaded anew in its own process (pedalboard)")
    print("  import: as `match --start` and in a session's `preset`")


@app.command("import")
def import_(
    preset: Annotated[Path, typer.Argument(help="DX7 .syx file, one voice or a bank; or a .vital or .sfz of ours")],
    out: Annotated[Path, typer.Option("--out", "-o", help="patch.json to write, or a folder for a whole bank")],
    voice: Annotated[int | None, typer.Option(help="which voice of a bank, 1 to 32")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files")] = False,
) -> None:
    """Read a preset of your own, to tune on from it."""
    from sds_bridge.formats import carried
    from sds_bridge.formats.catalog import FORMATS

    if preset.suffix.lower() in {one.suffix for one in FORMATS.values() if not one.imports}:
        raise InputError(
            f"{preset}: no synth here has all that a {preset.suffix} file may ask for. Give a {' or a '.join(carried.OWN)}."
        )
    found = carried.load(preset)
    if voice is not None and not 1 <= voice <= len(found):
        raise InputError(f"--voice {voice}: {preset} has {len(found)}; give 1 to {len(found)}.")
    if voice is not None or len(found) == 1:
        files = [out]
        found = [found[(voice or 1) - 1]]
    else:
        files = [out / f"{number:02d}-{_file_name(patch.name)}.json" for number, patch in enumerate(found, 1)]
    for file in files:
        _refuse_existing(file, force)
    for file, patch in zip(files, found, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        patch.save(file)
        print(f"{file}  {patch.name}")


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(help="folder of a finished tune")],
    step: Annotated[int, typer.Option(help="how many steps in; 0 is the start")],
    out: Annotated[Path, typer.Option("--out", "-o", help="patch.json to write")],
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Take the patch from an earlier step of a tune."""
    from sds_bridge.patch import Patch
    from sds_bridge.synths.declarations import declared
    from sds_bridge.tasks.history import patch_at

    _refuse_existing(out, force)
    last = Patch.load(folder / "patch.json")
    patch_at(folder, step, declared(last.synth, last.settings)).save(out)
    print(out)


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise InputError(f"{path}: exists already. Give another name, or --force to overwrite it.")


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "voice"


@app.command()
def render(
    midi: Annotated[Path, typer.Argument(help="MIDI file")],
    patch: Annotated[Path, typer.Option(help="patch.json")],
    out: Annotated[Path, typer.Option("--out", "-o", help="WAV file to write")],
    rate: Annotated[int, typer.Option(help="sample rate in Hz")] = 44100,
    channel: Annotated[int | None, typer.Option(help="only this MIDI channel, 1 to 16")] = None,
    tail: Annotated[float | None, typer.Option(help="seconds that notes may ring on; default until inaudible")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Play a MIDI file through a patch, as one stem."""
    prepare_torch()
    from sds_bridge.tasks.render import render as task

    options: dict[str, Any] = {"rate": rate, "channel": channel, "tail": tail, "force": force}
    follow("rendering", lambda report, stop: task(midi, patch, out, report=report, should_stop=stop, **options))
    print(out)
