"""``serve`` and ``demo``: the daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def serve(
    folder: Annotated[Path, typer.Option("--dir", help="holds the job store and every job's results")] = Path(
        "sds-jobs"
    ),
    port: Annotated[int, typer.Option(help="UDP port for OSC; 0 takes a free one")] = 9000,
    http_port: Annotated[int, typer.Option(help="TCP port for HTTP and the page; 0 takes a free one")] = 9080,
    http: Annotated[bool, typer.Option(help="answer HTTP and serve the page")] = True,
    host: Annotated[
        str, typer.Option(help="address to listen on; beyond 127.0.0.1 (0.0.0.0 is all) a token is needed")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(envvar="SDS_BRIDGE_TOKEN", help="asked of every client; made and kept in --dir when not given"),
    ] = None,
    reply_port: Annotated[int | None, typer.Option(help="send answers and progress there too")] = None,
    allow: Annotated[
        list[Path] | None, typer.Option(help="folder that clients may name files in; repeat for more")
    ] = None,
    keep_days: Annotated[
        float | None, typer.Option(help="remove what a job wrote so many days after its end; else all is kept")
    ] = None,
    keep_gb: Annotated[
        float | None, typer.Option(help="remove the oldest results when all take more than so many GB")
    ] = None,
    hung_after: Annotated[
        float, typer.Option(min=10, help="end a worker that was silent for so many seconds, and try its job again")
    ] = 900.0,
) -> None:
    """Run the daemon that a DAW talks to over OSC, and serve the page."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from sds_bridge.daemon.app import serve as run
    from sds_bridge.daemon.retention import keep_of

    serving = http_port if http else None
    keep = keep_of(keep_days, keep_gb)
    run(folder, port, reply_port, host, allow or [], http_port=serving, token=token, hung=hung_after, keep=keep)


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="folder for the results")] = None,
    steps: Annotated[
        int | None, typer.Option(help="optimisation steps of every job; the default is each task's own")
    ] = None,
) -> None:
    """The main job, as a DAW would do it: over OSC, tune two sounds, export them, render MIDI, separate a mixture."""
    from sds_bridge.demo import run

    run(out, steps)
