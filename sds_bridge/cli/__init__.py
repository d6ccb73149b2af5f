"""The ``sds-bridge`` command. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import gc
import sys
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

import sds_bridge
from sds_bridge.cli import daw, distil, jobs, osc, plugins, presets, send, service
from sds_bridge.cli.console import console
from sds_bridge.errors import SdsBridgeError

# when python looks for garbage in cycles: what imports make is none, and there are half a million objects of it
GARBAGE = (50_000, 20, 100)

app = typer.Typer(
    help="Synth patches and stems from text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for group in (distil, presets, plugins, service):
    app.add_typer(group.app)
app.add_typer(plugins.plugins, name="plugins")
app.add_typer(send.app, name="send")
app.add_typer(daw.app, name="daw")
app.add_typer(osc.app, name="osc")
app.add_typer(jobs.app, name="jobs")


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(sds_bridge.__version__)
        raise typer.Exit()


def main() -> None:
    """Entry point: errors that a user or a disk can cause end in one line and exit code 2."""
    gc.set_threshold(*GARBAGE)
    try:
        app()
    except SdsBridgeError as error:
        _fail(str(error))
    except OSError as error:
        where = error.filename2 or error.filename
        if where is None:
            raise
        _fail(f"{where}: {error.strerror}. Check the path, what you may do there, and the room on its disk.")


def _fail(message: str) -> NoReturn:
    console.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(2)
