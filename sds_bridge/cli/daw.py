"""``daw``: the scripts that live inside a DAW."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sds_bridge.errors import InputError

app = typer.Typer(help="The scripts that live inside a DAW.", no_args_is_help=True)
ask_app = typer.Typer(help="One job for such a script: its state is kept as JSON in a file.", no_args_is_help=True)
app.add_typer(ask_app, name="ask", hidden=True)
AnswerOption = Annotated[Path, typer.Option(help="file for the state, in JSON")]
PortOption = Annotated[int, typer.Option(help="the daemon's port")]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", help="for a daemon that asks for one: the file `token` in its --dir")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="option of the request, as steps=50")]


@app.command("list")
def list_() -> None:
    """List the DAWs: where their files go here, and what was tried."""
    from sds_bridge.daw.catalog import DAWS
    from sds_bridge.host.folders import system

    table = Table("name", "program", "folder", "tried", box=None)
    for daw in DAWS.values():
        table.add_row(daw.name, daw.title, str(daw.folder(system()) or "–"), daw.tried)
    Console().print(table)


@app.command("install")
def install_(
    name: Annotated[str, typer.Argument(help="reaper, ardour, puredata, max or harp")],
    to: Annotated[Path | None, typer.Option("--to", help="folder; default where the DAW looks")] = None,
    port: Annotated[int, typer.Option(help="the daemon's OSC port, for the scripts")] = 9000,
    token_file: TokenFileOption = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files that you changed, too")] = False,
) -> None:
    """Copy a DAW's files to where it looks, and say how to begin."""
    from sds_bridge.daw import install
    from sds_bridge.daw.catalog import DAWS

    if name not in DAWS:
        raise InputError(f"{name!r}: no such DAW here. Give {', '.join(DAWS)}.")
    if not 1 <= port <= 65535:
        raise InputError(f"--port {port}: give a number from 1 to 65535.")
    done = install.install(DAWS[name], to, port, force, token_file=token_file)
    print(*install.report(DAWS[name], done), sep="\n")


@ask_app.command("separate")
def ask_separate(
    clip: Annotated[Path, typer.Argument(help="audio file in a folder that the daemon allows")],
    answer: AnswerOption,
    stem: Annotated[list[str], typer.Option(help="what one source is; repeat for more")],
    port: PortOption = 9000,
    token_file: TokenFileOption = None,
    options: SetOption = None,
) -> None:
    """Separate a clip."""
    from sds_bridge.daw import ask

    if not ask.separate(answer, port, clip, stem, options or [], token_file):
        raise typer.Exit(1)


@ask_app.command("tune")
def ask_tune(
    prompt: Annotated[str, typer.Argument(help="what the sound should be")],
    answer: AnswerOption,
    synth: Annotated[str, typer.Option(help="fm, modal or dx7")] = "fm",
    plugin: Annotated[str, typer.Option(help="a spec's name: the patch is carried over to its parameters")] = "",
    port: PortOption = 9000,
    token_file: TokenFileOption = None,
    options: SetOption = None,
) -> None:
    """Tune a patch."""
    from sds_bridge.daw import ask

    if not ask.tune(answer, port, prompt, synth, plugin, options or [], token_file):
        raise typer.Exit(1)
