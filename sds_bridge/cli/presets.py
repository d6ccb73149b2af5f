"""``export`` and ``render``: what a patch is turned into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sds_bridge.cli.console import follow, prepare_torch
from sds_bridge.errors import InputError

app = typer.Typer()


@app.command()
def export(
    patch: Annotated[Path, typer.Argument(help="patch.json")],
    to: Annotated[str, typer.Option(help="dx7 or faust")],
    out: Annotated[Path, typer.Option("--out", "-o", help="preset file to write")],
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Write a patch as a preset, and say what the format could not hold."""
    from sds_bridge.formats import catalog
    from sds_bridge.patch import Patch

    if out.exists() and not force:
        raise InputError(f"{out}: exists already. Give another name, or --force to overwrite it.")
    for line in catalog.write(Patch.load(patch), to, out):
        print(f"- {line}")
    print(out)


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
