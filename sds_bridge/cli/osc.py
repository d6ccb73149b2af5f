"""``osc``: what goes over the wire."""

from __future__ import annotations

import fnmatch
import json
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from sds_bridge.cli.send import HostOption, PortOption, TokenOption

app = typer.Typer(help="See into the daemon's OSC.", no_args_is_help=True)


@app.callback()
def top() -> None:
    """Keeps ``monitor`` a subcommand."""


@app.command()
def monitor(
    address: Annotated[str, typer.Argument(help="addresses to show, as '/sds/job/*'")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object a line")] = False,
    count: Annotated[int | None, typer.Option(help="end after so many packets", min=1)] = None,
    port: PortOption = 9000,
    host: HostOption = "127.0.0.1",
    token: TokenOption = None,
) -> None:
    """Show what the daemon gets and sends, a packet a line, until Ctrl-C."""
    from sds_bridge.daemon.client import Client

    out = Console(soft_wrap=True, highlight=False)
    with Client(host, port, token) as client:
        client.ping()
        shown = 0
        try:
            for packet in client.watch():
                if not fnmatch.fnmatchcase(packet.address, address):
                    continue
                if as_json:
                    print(
                        json.dumps({"time": datetime.now().isoformat(), **vars(packet)}, ensure_ascii=False), flush=True
                    )
                else:
                    out.print(_line(packet))
                shown += 1
                if shown == count:
                    break
        except KeyboardInterrupt:
            pass
        client.unwatch()


def _line(packet: Any) -> Text:
    """12:03:11.123  in   127.0.0.1:50001   /sds/tune   7 "kick" "fm"."""
    colour = "red" if packet.address in ("/sds/error", "") else "cyan" if packet.direction == "in" else "green"
    line = Text(f"{datetime.now():%H:%M:%S.%f}"[:-3], style="dim")
    line.append(f"  {packet.direction:3}  {packet.peer:21}  ", style="dim")
    line.append(f"{packet.address or 'not OSC':20}", style=colour)
    line.append(f"  {packet.arguments}")
    if packet.left_out:
        line.append(f"  ({packet.left_out} before it not shown: too many at once)", style="yellow")
    return line
