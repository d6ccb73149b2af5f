"""``tune``, ``separate``, ``sample`` and ``priors``: what asks a diffusion prior."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sds_bridge.cli.console import ForceOption, OutOption, PriorOption, SeedOption, console, follow, prepare_torch
from sds_bridge.errors import InputError

app = typer.Typer()


@app.command()
def tune(
    prompt: Annotated[str, typer.Argument(help="what the sound should be, as 'kick drum, bass, reverb'")],
    out: OutOption,
    synth: Annotated[str | None, typer.Option(help="fm, modal or dx7; default the start's, or fm")] = None,
    algorithm: Annotated[str, typer.Option(help="of a dx7 voice: 1 to 32, or auto to try several")] = "auto",
    negative: Annotated[str, typer.Option(help="what it should not be, as 'noisy, muffled'")] = "",
    profile: Annotated[str, typer.Option(help="draft (for a CPU) or paper (1000 x 8)")] = "draft",
    steps: Annotated[int | None, typer.Option(help="optimisation steps; 0 writes the starting point")] = None,
    batch: Annotated[int | None, typer.Option(help="(t, noise) draws a step")] = None,
    guidance: Annotated[float | None, typer.Option(help="the paper's tau")] = None,
    candidates: Annotated[
        int | None, typer.Option(help="sounds among which the start is chosen; 0 takes the synth's plain one")
    ] = None,
    seed: SeedOption = 0,
    start: Annotated[Path | None, typer.Option("--from", help="patch.json to start from")] = None,
    lock: Annotated[
        list[str] | None, typer.Option(help="parameter to keep, as op1.ratio or 'op2.*'; repeat for more")
    ] = None,
    amount: Annotated[float, typer.Option(help="0 keeps the start, 1 goes all the way")] = 1.0,
    note: Annotated[str | None, typer.Option(help="C4 (middle C) or a MIDI number; default the start's, or C3")] = None,
    prior: PriorOption = "starter",
    plugin: Annotated[
        str | None, typer.Option(help="then match this plug-in to the preview: a spec's name or a .vst3 path")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Tune a synth patch to a text."""
    from sds_bridge.tasks import folder, requests

    if plugin is not None:
        from sds_bridge.host.spec import installed_plugin

        installed_plugin(plugin)

    values = {
        "prompt": prompt,
        "synth": synth,
        "negative": negative,
        "profile": profile,
        "steps": steps,
        "batch": batch,
        "guidance": guidance,
        "candidates": candidates,
        "seed": seed,
        "start": str(start) if start else None,
        "lock": lock,
        "amount": amount,
        "note": note,
        "algorithm": None if algorithm == "auto" else algorithm,
        "prior": prior,
    }
    given = {name: value for name, value in values.items() if value is not None}
    request = requests.parse(requests.TuneRequest, requests.from_start(given))
    if request.algorithm and (request.synth != "dx7" or start):
        raise InputError(
            f"--algorithm {algorithm}: is for a dx7 voice without --from. Leave it out, or give --synth dx7 alone."
        )
    made = folder.claim(out, force)
    prepare_torch()
    from sds_bridge.tasks import tune as task

    result = follow("tuning", lambda report, stop: task.run(request, made, report, stop))
    s = result.summary
    print(f"alignment {s['alignment_before']:+.3f} → {s['alignment_after']:+.3f} ({s['judge']}), {s['seconds']:.0f} s")
    print(*result.files, sep="\n")
    if plugin is not None:
        from sds_bridge.cli.plugins import print_match
        from sds_bridge.tasks import match

        matched = folder.claim(made / "plugin", force)
        wanted = match.of_tuned(made, plugin, request.note, seed)
        print_match(follow("matching", lambda report, stop: match.run(wanted, matched, report, stop)))


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
    guidance: Annotated[float, typer.Option(help="the paper's tau")] = 5.0,
    negative: Annotated[str, typer.Option(help="what it should not be")] = "",
    tries: Annotated[
        int, typer.Option(help="sounds to draw; the one that the prompt explains best is kept", min=1, max=64)
    ] = 4,
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

    warning = task.run(prior, prompt, out, seed, steps, guidance, negative, tries)
    if warning:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
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
