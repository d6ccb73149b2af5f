"""``plugins``, ``stems`` and ``match``: real plug-ins, each in a process of its own."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sds_bridge.cli.console import ForceOption, OutOption, SeedOption, console, follow
from sds_bridge.errors import InputError, PluginError

app = typer.Typer()
plugins = typer.Typer(help="The plug-ins that are installed, and the specs that describe them.", no_args_is_help=True)
PluginArgument = Annotated[str, typer.Argument(help="name of a spec, a spec's .toml, or a .vst3 path")]


@plugins.command()
def scan(
    folder: Annotated[
        list[Path] | None, typer.Option(help="where to look; repeat for more; default the system's plug-in folders")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="try again what crashed, hung or was refused")] = False,
    seconds: Annotated[float, typer.Option(help="that one plug-in may take")] = 20.0,
) -> None:
    """Find plug-ins. Each is loaded in a process of its own; one that crashes or hangs is put in quarantine."""
    from sds_bridge.host import folders
    from sds_bridge.host.scan import scan as task

    places = folder or folders.plugin_folders()
    for place in folder or []:
        if not place.is_dir():
            raise InputError(f"{place}: no such folder. Give one that holds .vst3 files.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        row = bar.add_task("scanning", total=None)

        def report(done: int, total: int, name: str) -> None:
            bar.update(row, completed=done, total=total, description=name or "scanned")

        found = task([p.absolute() for p in places], retry=retry, limit=seconds, report=report)
    _print(found)
    if not found:
        print(f"no .vst3 in {', '.join(map(str, places))}")


@plugins.command("list")
def list_() -> None:
    """List the specs, and what the last scan found."""
    from sds_bridge.errors import SpecError
    from sds_bridge.host.scan import Cache
    from sds_bridge.host.spec import load_spec, spec_files

    table = Table("spec", "plug-in", "installed", "maps patches of", "match moves", "standing", box=None)
    for name, path in spec_files().items():
        try:
            spec = load_spec(path)
        except SpecError as error:
            console.print(f"[yellow]warning:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            continue
        moved = str(sum(p.match for p in spec.parameter)) if spec.parameter else "what the host lists"
        here = "yes" if spec.find() else "no"
        table.add_row(name, spec.name, here, ", ".join(spec.mapping) or "–", moved, spec.standing.split(":")[0])
    Console().print(table)
    found = list(Cache.load().entries.values())
    if found:
        print()
        _print(found)


@plugins.command()
def show(plugin: PluginArgument) -> None:
    """List a plug-in's parameters: the names and positions that sessions and specs use."""
    from sds_bridge.host.spec import find_plugin

    path, spec = find_plugin(plugin)
    if spec is not None:
        print(f"{spec.name}: {spec.standing}")
        if spec.note:
            print(spec.note)
    if path is not None:
        table = Table("parameter", "position", "as it says", "positions", box=None)
        loaded = _inspected(path)
        for p in loaded.parameters:
            table.add_row(p.name, f"{p.value:.4g}", f"{p.text} {p.unit}".strip(), str(p.steps or "any"))
        print(f"{path}, version {loaded.identity.version}, latency {loaded.identity.latency} samples")
    elif spec is not None:
        table = Table("parameter", "from", "to", "curve", "about", box=None)
        for s in spec.parameter:
            table.add_row(s.name, f"{s.low:g}", f"{s.high:g} {s.unit}".strip(), s.curve, s.about)
        print("not installed here; this is what its spec says")
    Console().print(table)


@plugins.command()
def check(spec: PluginArgument) -> None:
    """Hold a spec against its plug-in, where that is installed."""
    from sds_bridge.host.learn import differences
    from sds_bridge.host.spec import find_plugin

    path, found = find_plugin(spec)
    if found is None:
        raise InputError(f"{spec}: has no spec. Write one with `sds-bridge plugins learn {spec}`.")
    print(f"{found.name}: the file is well formed, {len(found.parameter)} parameters; {found.standing}")
    if path is None:
        print("not installed here, so the spec was not held against the plug-in")
        return
    loaded = _inspected(path)
    wrong = differences(found, loaded.identity, loaded.parameters)
    for line in wrong:
        print(f"- {line}")
    if wrong:
        raise typer.Exit(1)
    print(f"agrees with {path}, version {loaded.identity.version}")


@plugins.command()
def learn(
    plugin: Annotated[str, typer.Argument(help="a .vst3 path, or the name of a spec to learn anew")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="TOML file to write; default the screen")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Write a first spec from a plug-in's own parameter list."""
    from sds_bridge.host import learn as task
    from sds_bridge.host.spec import find_plugin
    from sds_bridge.patch import write_text

    if out is not None and out.exists() and not force:
        raise InputError(f"{out}: exists already. Give another name, or --force to overwrite it.")
    path, _ = find_plugin(plugin)
    if path is None:
        raise PluginError(f"{plugin}: is not installed here. Install it, or give its .vst3 path.")
    text = task.to_toml(task.learn(_inspected(path), path.name))
    if out is None:
        print(text, end="")
        return
    write_text(out, text)
    print(out)


@plugins.command(hidden=True)
def schema() -> None:
    """Print the specs' JSON Schema, as plugin_specs/schema.json."""
    from sds_bridge.host.spec import schema as task

    print(task(), end="")


@app.command()
def stems(
    session: Annotated[Path, typer.Argument(help="session.toml")],
    out: OutOption,
    workers: Annotated[int | None, typer.Option(min=1, help="tracks at once; default one a core")] = None,
    force: ForceOption = False,
) -> None:
    """Render a session: one aligned stem a track, and the mix."""
    from sds_bridge.tasks import folder
    from sds_bridge.tasks.session import load_session

    loaded = load_session(session)
    made = folder.claim(out, force)
    from sds_bridge.tasks import stems as task

    def work(report: Any, stop: Any) -> Any:
        return task.run(loaded, session.parent, made, report, stop, workers)

    result = follow("rendering", work)
    # python looks through all that torch brought once more before it ends; engines that are hosted here would need that
    gc.freeze()
    s = result.summary
    print(f"{s['seconds']:.1f} s of {len(s['stems'])} tracks, {s['times_real_time']:.1f} × real time")
    for name, record in [*s["stems"].items(), ("the mix", s.get("mix", {}))]:
        if record.get("depth", loaded.depth) != loaded.depth:
            print(f"- {name}: peaks at {record['peak_dbfs']:+.1f} dB, so it is written in 32-bit floats")
        for line in record.get("lost", []):
            print(f"- {name}: {line}")
        for one in record.get("plugins", []):
            if "not verified" in one["spec"]:
                print(f"- {name}: {one['name']}'s spec is {one['spec']}")
    print(*result.files, sep="\n")
    if s["failed"]:
        failed = escape(", ".join(s["failed"]))
        console.print(f"[red]error:[/] {failed} failed; the mix is without", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command()
def match(
    target: Annotated[Path, typer.Argument(help="audio file; one note, its first 2 s count")],
    plugin: Annotated[str, typer.Option(help="name of a spec, a spec's .toml, or a .vst3 path")],
    out: OutOption,
    start: Annotated[Path | None, typer.Option(help=".vstpreset or patch.json to start from")] = None,
    seconds: Annotated[float, typer.Option(help="to search for")] = 60.0,
    evaluations: Annotated[
        int | None, typer.Option(help="end by count and not by time: the same seed gives the same preset")
    ] = None,
    seed: SeedOption = 0,
    note: Annotated[str | None, typer.Option(help="C3 (middle C is C4) or a MIDI number; default as heard")] = None,
    velocity: Annotated[int, typer.Option(help="how hard the key is struck, 1 to 127")] = 100,
    hold: Annotated[float | None, typer.Option(help="seconds that the key is down; default the whole clip")] = None,
    force: ForceOption = False,
) -> None:
    """Fit a plug-in's parameters to a sound, and save its preset."""
    from sds_bridge.tasks import folder, requests
    from sds_bridge.tasks import match as task

    values = {"target": str(target), "plugin": plugin, "start": str(start) if start else None, "seconds": seconds}
    values |= {"evaluations": evaluations, "seed": seed, "note": note, "velocity": velocity, "hold": hold}
    request = requests.parse(task.MatchRequest, values)
    from sds_bridge import audio

    audio.check_header(target)
    made = folder.claim(out, force)
    result = follow("matching", lambda report, stop: task.run(request, made, report, stop))
    print_match(result)


def print_match(result: Any) -> None:
    """How near it came, and its files."""
    s = result.summary
    print(
        f"spectral distance {s['distance_before']:.1f} → {s['distance_after']:.1f} dB ({-s['fall']:+.0%}), {s['evaluations']} tries"
    )
    print(*result.files, sep="\n")


def _inspected(path: Path) -> Any:
    """Loaded once for its identity and parameters; its process is gone when this returns."""
    from sds_bridge.host.plugin import load
    from sds_bridge.host.process import PluginProcess

    with PluginProcess() as process:
        return load(process, path, wake=0)


def _print(entries: list[Any]) -> None:
    table = Table("plug-in", "maker", "version", "what", "parameters", "file", box=None)
    for entry in entries:
        for one in entry.plugins:
            what = "instrument" if one.instrument else "effect"
            table.add_row(one.name, one.maker, one.version, what, str(entry.parameters), entry.path)
    Console().print(table)
    for entry in entries:
        if entry.problem:
            state = "in quarantine until --retry" if entry.quarantined else "can't be used"
            print(f"{state}: {entry.problem}")
