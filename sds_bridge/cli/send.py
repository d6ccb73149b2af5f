"""``send``: a request to the daemon over OSC, from a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sds_bridge.cli.console import console
from sds_bridge.errors import InputError

app = typer.Typer(help="Send a request to the daemon over OSC.", no_args_is_help=True)
PortOption = Annotated[int, typer.Option(help="the daemon's port")]
HostOption = Annotated[str, typer.Option(help="the daemon's machine")]
TokenOption = Annotated[
    str | None, typer.Option(envvar="SDS_BRIDGE_TOKEN", help="for a daemon that asks for it", show_default=False)
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="option of the request, as steps=50; repeat for more")
]

PriorityOption = Annotated[int, typer.Option(help="-100 to 100; the highest goes first, then the oldest")]


def _options(pairs: list[str] | None, priority: int) -> dict[str, object]:
    found: dict[str, object] = {"priority": priority} if priority else {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise InputError(f"--set {pair!r}: give it as name=value, as steps=50.")
        found[key] = value
    return found


def _await(client: Any, job: int, wait: bool) -> None:
    print(f"job {job}")
    if not wait:
        return
    with Progress(
        TextColumn("job {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task(str(job), total=None)
        state = client.wait(job, lambda s: bar.update(task, completed=s.step, total=s.steps or None))
    print(f"{state.status.value} {state.folder} {state.message}".strip())
    if state.status.value != "done":
        raise typer.Exit(1)


@app.command("tune")
def send_tune(
    prompt: Annotated[str, typer.Argument(help="what the sound should be")],
    synth: Annotated[str, typer.Option(help="fm, modal or dx7")] = "fm",
    options: SetOption = None,
    priority: PriorityOption = 0,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = True,
    port: PortOption = 9000,
    host: HostOption = "127.0.0.1",
    token: TokenOption = None,
) -> None:
    """Queue a tune."""
    from sds_bridge.daemon.client import Client

    with Client(host, port, token) as client:
        _await(client, client.tune(prompt, synth, **_options(options, priority)), wait)


@app.command("separate")
def send_separate(
    clip: Annotated[Path, typer.Argument(help="audio file in a folder that the daemon allows")],
    stem: Annotated[list[str], typer.Option(help="what one source is; repeat for more")],
    options: SetOption = None,
    priority: PriorityOption = 0,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = True,
    port: PortOption = 9000,
    host: HostOption = "127.0.0.1",
    token: TokenOption = None,
) -> None:
    """Queue a separation."""
    from sds_bridge.daemon.client import Client

    with Client(host, port, token) as client:
        _await(client, client.separate(clip, stem, **_options(options, priority)), wait)


@app.command("cancel")
def send_cancel(
    job: Annotated[int, typer.Argument(help="number of the job")],
    port: PortOption = 9000,
    host: HostOption = "127.0.0.1",
    token: TokenOption = None,
) -> None:
    """Cancel a job; it stops within one optimisation step."""
    from sds_bridge.daemon.client import Client

    with Client(host, port, token) as client:
        print(client.cancel(job))


@app.command("status")
def send_status(
    job: Annotated[int, typer.Argument(help="number of the job")],
    port: PortOption = 9000,
    host: HostOption = "127.0.0.1",
    token: TokenOption = None,
) -> None:
    """Say how a job is."""
    from sds_bridge.daemon.client import Client

    with Client(host, port, token) as client:
        state = client.status(job)
        print(f"{state.status.value} step {state.step}/{state.steps} {state.folder} {state.message}".strip())
