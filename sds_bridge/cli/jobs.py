"""``jobs``: the daemon's job store, read beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sds_bridge.errors import InputError

app = typer.Typer(help="See to the jobs that a daemon keeps.", no_args_is_help=True)
DirOption = Annotated[Path, typer.Option("--dir", help="the daemon's folder")]


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="file to write")],
    folder: DirOption = Path("sds-jobs"),
    force: Annotated[bool, typer.Option(help="write over a file that is there")] = False,
) -> None:
    """Copy the job store whole while the daemon works. Results lie beside it in jobs/, to be copied as any files."""
    from sds_bridge.daemon.store import Store

    source = _store(folder)
    if file.exists() and not force:
        raise InputError(f"{file}: is there already. Give another file, or --force to write over it.")
    store = Store(source)
    store.backup(file)
    print(f"{file}: {len(store.newest(1_000_000_000))} jobs. To go back: stop the daemon, put it in place of {source}")
    store.close()


@app.command("list")
def list_jobs(
    folder: DirOption = Path("sds-jobs"),
    limit: Annotated[int, typer.Option(help="how many, newest first", min=1)] = 20,
) -> None:
    """Show the newest jobs, whether a daemon runs or not."""
    from rich.table import Table

    from sds_bridge.cli.console import console
    from sds_bridge.daemon.intake import what
    from sds_bridge.daemon.store import Store

    store = Store(_store(folder))
    table = Table("job", "status", "step", "priority", "attempts", "what", "remark")
    for job in store.newest(limit):
        remark = "results removed" if job.removed else job.error or job.message
        step = f"{job.step}/{job.steps}" if job.steps else ""
        table.add_row(str(job.id), str(job.status), step, str(job.priority), str(job.attempts), what(job), remark)
    console.print(table)
    store.close()


def _store(folder: Path) -> Path:
    file = folder / "jobs.sqlite"
    if not file.is_file():
        raise InputError(f"{file}: no job store. Give the --dir that `sds-bridge serve` has.")
    return file
