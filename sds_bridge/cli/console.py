"""What every command shares: its console, its options, torch's settings, a progress bar."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)

OutOption = Annotated[Path, typer.Option("--out", "-o", help="folder for the results; must be empty")]
ForceOption = Annotated[bool, typer.Option("--force", help="write into a folder that isn't empty")]
SeedOption = Annotated[int, typer.Option(help="makes the same result again")]
PriorOption = Annotated[str, typer.Option(help="starter, stable-audio-open, stable-audio-3, a folder, or a hub id")]


def prepare_torch() -> None:
    """Denormals make CPU convolutions many times slower; set before the first parallel operation."""
    # idle OpenMP threads must sleep, not spin: a DAW on the same cores would starve, and so would we
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    import torch

    torch.set_flush_denormal(True)


def follow(label: str, work: Any) -> Any:
    """Run ``work(report, should_stop)`` under a progress bar; Ctrl-C stops it after the present step."""
    import signal

    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    bar = Progress(*columns, console=console)
    task = bar.add_task(label, total=None, loss="")
    try:

        def report(p: Any) -> None:
            # an error before the first report stays one line
            bar.start()
            if p.message:
                bar.console.print(f"[yellow]warning:[/] {escape(p.message)}", highlight=False, soft_wrap=True)
            loss = f"loss {p.loss:.4g}" if p.loss else ""
            bar.update(task, description=p.doing or label, completed=p.step, total=p.steps, loss=loss)

        result = work(report, lambda: bool(pressed))
    finally:
        bar.stop()
        signal.signal(signal.SIGINT, before)
    if getattr(result, "stopped", False):
        console.print(f"stopped{_left_by(result)}", soft_wrap=True)
        raise typer.Exit(130)
    return result


def _left_by(stopped: Any) -> str:
    if any(stopped.folder.glob(".*.safetensors")):
        return f"; the same command with --force goes on from its checkpoint in {stopped.folder}"
    return f"; {len(stopped.files)} files are in {stopped.folder}" if stopped.files else ""
