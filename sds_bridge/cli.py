"""The ``sds-bridge`` command. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import sds_bridge
from sds_bridge.errors import InputError, SdsBridgeError

app = typer.Typer(
    help="Synth patches and stems from text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)

OutOption = Annotated[Path, typer.Option("--out", "-o", help="folder for the results; must be empty")]
ForceOption = Annotated[bool, typer.Option("--force", help="write into a folder that isn't empty")]
SeedOption = Annotated[int, typer.Option(help="makes the same result again")]
PriorOption = Annotated[str, typer.Option(help="starter, stable-audio-open, stable-audio-3, a folder, or a hub id")]
NoteOption = Annotated[str, typer.Option(help="C3 (middle C is C4) or a MIDI number")]


def parse_note(text: str) -> int:
    """``C3``, ``F#2``, ``Bb-1`` or ``48`` → MIDI note; middle C is C4 = 60."""
    semitones = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    name = text.strip()
    if name.lstrip("-").isdigit():
        note = int(name)
    else:
        letter, rest = name[:1].upper(), name[1:]
        shift = {"#": 1, "b": -1}.get(rest[:1], 0)
        octave = rest[1:] if shift else rest
        if letter not in semitones or not octave.lstrip("-").isdigit():
            raise InputError(f"note {text!r} isn't a note; give one as C3, F#2, Bb4 or a MIDI number from 0 to 127.")
        note = semitones[letter] + shift + 12 * (int(octave) + 1)
    if not 0 <= note <= 127:
        raise InputError(f"note {text!r} is MIDI note {note}; allowed is 0 to 127 (C-1 to G9).")
    return note


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
        TextColumn("loss {task.fields[loss]}"),
    )
    bar = Progress(*columns, console=console)
    task = bar.add_task(label, total=None, loss="–")
    try:

        def report(p: Any) -> None:
            # an error before the first report stays one line
            bar.start()
            if p.message:
                bar.console.print(f"[yellow]warning:[/] {p.message}", highlight=False)
            bar.update(task, completed=p.step, total=p.steps, loss=f"{p.loss:.4g}")

        result = work(report, lambda: bool(pressed))
    finally:
        bar.stop()
        signal.signal(signal.SIGINT, before)
    if getattr(result, "stopped", False):
        console.print(f"stopped; the same command with --force goes on from its checkpoint in {result.folder}")
        raise typer.Exit(130)
    return result


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(sds_bridge.__version__)
        raise typer.Exit()


@app.command()
def tune(
    prompt: Annotated[str, typer.Argument(help="what the sound should be, as 'kick drum, bass, reverb'")],
    out: OutOption,
    synth: Annotated[str, typer.Option(help="fm or modal")] = "fm",
    negative: Annotated[str, typer.Option(help="what it should not be, as 'noisy, muffled'")] = "",
    profile: Annotated[str, typer.Option(help="draft (for a CPU) or paper (1000 x 8)")] = "draft",
    steps: Annotated[int | None, typer.Option(help="optimisation steps; 0 writes the starting point")] = None,
    batch: Annotated[int | None, typer.Option(help="(t, noise) draws a step")] = None,
    guidance: Annotated[float | None, typer.Option(help="the paper's tau")] = None,
    seed: SeedOption = 0,
    start: Annotated[Path | None, typer.Option("--from", help="patch.json to start from")] = None,
    lock: Annotated[
        list[str] | None, typer.Option(help="parameter to keep, as op1.ratio or 'op2.*'; repeat for more")
    ] = None,
    note: NoteOption = "C3",
    prior: PriorOption = "starter",
    force: ForceOption = False,
) -> None:
    """Tune a synth patch to a text."""
    from sds_bridge.tasks import folder, requests

    values = {k: v for k, v in (("steps", steps), ("batch", batch), ("guidance", guidance)) if v is not None}
    request = requests.parse(
        requests.TuneRequest,
        {
            "prompt": prompt,
            "synth": synth,
            "negative": negative,
            "profile": profile,
            "seed": seed,
            "start": str(start) if start else None,
            "lock": lock or [],
            "note": parse_note(note),
            "prior": prior,
            **values,
        },
    )
    made = folder.claim(out, force)
    prepare_torch()
    from sds_bridge.tasks import tune as task

    result = follow("tuning", lambda report, stop: task.run(request, made, report, stop))
    s = result.summary
    print(f"alignment {s['alignment_before']:+.3f} → {s['alignment_after']:+.3f} ({s['judge']}), {s['seconds']:.0f} s")
    print(*result.files, sep="\n")


@app.command()
def separate(
    clip: Annotated[Path, typer.Argument(help="audio file")],
    stem: Annotated[list[str], typer.Option(help="what one source is, as 'saxophone'; repeat for more")],
    out: OutOption,
    mode: Annotated[str, typer.Option(help="mask (stems sum to the clip) or latent (the paper's)")] = "mask",
    sds_weight: Annotated[float | None, typer.Option(help="the paper's gamma; 0 only reconstructs")] = None,
    steps: Annotated[int | None, typer.Option(help="optimisation steps")] = None,
    guidance: Annotated[float | None, typer.Option(help="the paper's tau")] = None,
    seed: SeedOption = 0,
    prior: PriorOption = "starter",
    force: ForceOption = False,
) -> None:
    """Split a clip into named stems that sum to it."""
    from sds_bridge.tasks import folder, requests

    given = {k: v for k, v in (("steps", steps), ("guidance", guidance), ("sds_weight", sds_weight)) if v is not None}
    request = requests.parse(
        requests.SeparateRequest,
        {"clip": str(clip), "stems": stem, "mode": mode, "seed": seed, "prior": prior, **given},
    )
    from sds_bridge import audio

    audio.load(clip)
    made = folder.claim(out, force)
    prepare_torch()
    from sds_bridge.tasks import separate as task

    result = follow("separating", lambda report, stop: task.run(request, made, report, stop))
    print(f"residual {result.summary['residual_db']:.1f} dB of the clip, {result.summary['seconds']:.0f} s")
    print(*result.files, sep="\n")


@app.command()
def sample(
    prompt: Annotated[str, typer.Argument(help="what to draw, as 'tenor saxophone'")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="WAV file to write")] = None,
    seed: SeedOption = 0,
    steps: Annotated[int, typer.Option(help="denoising steps")] = 30,
    guidance: Annotated[float, typer.Option(help="the paper's tau")] = 8.0,
    negative: Annotated[str, typer.Option(help="what it should not be")] = "",
    prior: PriorOption = "starter",
    list_sounds: Annotated[
        bool, typer.Option("--list", help="name the sounds that the starter was trained on")
    ] = False,
) -> None:
    """Draw a sound from a prior, to hear what it knows."""
    if list_sounds:
        from sds_bridge.tasks.sounds import known_sounds

        print(*known_sounds(), sep="\n")
        return
    if not prompt.strip():
        raise InputError("the prompt is empty; say what to draw, as 'tenor saxophone', or give --list.")
    if out is None:
        raise InputError("no file to write; give -o FILE.wav.")
    if out.suffix.lower() != ".wav":
        raise InputError(f"{out}: samples are written as WAV; give a name that ends in .wav.")
    if out.exists():
        raise InputError(f"{out}: exists already. Give another name, or remove it first.")
    prepare_torch()
    from sds_bridge.tasks import sample as task

    warning = task.run(prior, prompt, out, seed, steps, guidance, negative)
    if warning:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    print(out)


@app.command()
def priors() -> None:
    """List priors: installed or to be fetched, size, licence."""
    from sds_bridge.priors import catalog

    table = Table("name", "state", "size", "licence", "about", box=None)
    for entry in catalog.ENTRIES.values():
        state = "installed" if catalog.installed(entry) else f"to be fetched: {entry.source}"
        table.add_row(entry.name, state, f"{entry.gigabytes:g} GB", entry.licence, entry.about)
    Console().print(table)


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


@app.command()
def serve(
    folder: Annotated[Path, typer.Option("--dir", help="holds the job store and every job's results")] = Path(
        "sds-jobs"
    ),
    port: Annotated[int, typer.Option(help="UDP port for OSC; 0 takes a free one")] = 9000,
    reply_port: Annotated[int | None, typer.Option(help="send answers and progress there too")] = None,
    allow: Annotated[
        list[Path] | None, typer.Option(help="folder that clients may name files in; repeat for more")
    ] = None,
) -> None:
    """Run the daemon that a DAW talks to over OSC."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from sds_bridge.daemon.app import serve as run

    run(folder, port, reply_port, allow=allow or [])


send = typer.Typer(help="Send a request to the daemon over OSC.", no_args_is_help=True)
app.add_typer(send, name="send")
PortOption = Annotated[int, typer.Option(help="the daemon's port")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="option of the request, as steps=50; repeat for more")
]


def _options(pairs: list[str] | None) -> dict[str, object]:
    found: dict[str, object] = {}
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


@send.command("tune")
def send_tune(
    prompt: Annotated[str, typer.Argument(help="what the sound should be")],
    synth: Annotated[str, typer.Option(help="fm or modal")] = "fm",
    options: SetOption = None,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = True,
    port: PortOption = 9000,
) -> None:
    """Queue a tune."""
    from sds_bridge.daemon.client import Client

    with Client(port=port) as client:
        _await(client, client.tune(prompt, synth, **_options(options)), wait)


@send.command("separate")
def send_separate(
    clip: Annotated[Path, typer.Argument(help="audio file in a folder that the daemon allows")],
    stem: Annotated[list[str], typer.Option(help="what one source is; repeat for more")],
    options: SetOption = None,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = True,
    port: PortOption = 9000,
) -> None:
    """Queue a separation."""
    from sds_bridge.daemon.client import Client

    with Client(port=port) as client:
        _await(client, client.separate(clip, stem, **_options(options)), wait)


@send.command("cancel")
def send_cancel(job: Annotated[int, typer.Argument(help="number of the job")], port: PortOption = 9000) -> None:
    """Cancel a job; it stops within one optimisation step."""
    from sds_bridge.daemon.client import Client

    with Client(port=port) as client:
        print(client.cancel(job))


@send.command("status")
def send_status(job: Annotated[int, typer.Argument(help="number of the job")], port: PortOption = 9000) -> None:
    """Say how a job is."""
    from sds_bridge.daemon.client import Client

    with Client(port=port) as client:
        state = client.status(job)
        print(f"{state.status.value} step {state.step}/{state.steps} {state.folder} {state.message}".strip())


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


def main() -> None:
    """Entry point: errors that a user can cause end in one line and exit code 2."""
    try:
        app()
    except SdsBridgeError as error:
        console.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
