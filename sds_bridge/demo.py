"""``sds-bridge demo``: what a DAW would ask of the daemon, start to end, with one table of what came out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mido
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sds_bridge import audio
from sds_bridge.daemon.client import Client, JobState
from sds_bridge.errors import JobError
from sds_bridge.formats import catalog
from sds_bridge.patch import Patch

CLIPS = Path(__file__).parent / "starter" / "demo_clips"
MIXTURE = {"saxophone": CLIPS / "saxophone.opus", "traffic": CLIPS / "traffic.opus"}
console = Console()


def run(out: Path | None, steps: int | None) -> None:
    """Run the demo into ``out`` (a fresh temporary folder when None); the daemon ends with it."""
    out = (out or Path(tempfile.mkdtemp(prefix="sds-demo-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "daemon.log", "w") as log:
        daemon = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sds_bridge.daemon.app",
                "--dir",
                str(out / "daemon"),
                "--port",
                "0",
                "--allow",
                str(out),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            with Client(port=_port(daemon)) as client:
                _all(client, out, steps)
        finally:
            daemon.terminate()
            daemon.wait(30)


def _port(daemon: subprocess.Popen[str]) -> int:
    assert daemon.stdout is not None
    for line in daemon.stdout:
        if line.startswith("listening on"):
            return int(line.rsplit(":", 1)[1])
    raise JobError("the daemon ended before it was ready; its log is daemon.log in the demo's folder.")


def _follow(client: Client, job: int, label: str) -> JobState:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None)
        state = client.wait(job, lambda s: bar.update(task, completed=s.step, total=s.steps or None))
    if state.status.value != "done":
        raise JobError(f"{label}: {state.status.value}: {state.message}")
    return state


def _collect(state: JobState, folder: Path) -> Path:
    shutil.copytree(state.folder, folder, dirs_exist_ok=True)
    return folder


def _all(client: Client, out: Path, steps: int | None) -> None:
    options = {} if steps is None else {"steps": steps}
    table = Table("what", "before", "after", "seconds", "files")
    patches = {}
    for prompt, synth, name in (
        ("kick drum, bass, reverb", "fm", "kick"),
        ("hitting pot with wooden spoon", "modal", "pot"),
    ):
        folder = _collect(_follow(client, client.tune(prompt, synth, **options), f"tune {name}"), out / name)
        job = json.loads((folder / "job.json").read_text())
        patches[name] = folder / "patch.json"
        scores = [f"alignment {job[f'alignment_{when}']:+.3f}" for when in ("before", "after")]
        table.add_row(f"{prompt} ({synth})", *scores, f"{job['seconds']:.0f}", f"{name}/")
    for name, to, file in (("kick", "dx7", "kick.syx"), ("pot", "faust", "pot.dsp")):
        notes = catalog.write(Patch.load(patches[name]), to, out / file)
        table.add_row(f"export {name} to {to}", "", f"{len(notes)} notes on what was rounded", "", file)
    began = time.monotonic()
    _render(out, patches["kick"])
    table.add_row("MIDI through the kick", "", "", f"{time.monotonic() - began:.0f}", "kick-stem.wav")
    _separate(client, out, options, table)
    console.print(table)
    console.print(f"judged by: {job['judge']}")
    console.print(f"files: {out}", soft_wrap=True)
    for picture in ("kick/before-after.png", "pot/before-after.png", "stems/stems.png"):
        console.print(f"picture: {out / picture}", soft_wrap=True)


def _render(out: Path, patch: Path) -> None:
    """Four on the floor, two bars at 120 bpm, with an accent on the one."""
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    for beat in range(8):
        track.append(
            mido.Message("note_on", note=48, velocity=120 if beat % 4 == 0 else 90, time=0 if beat == 0 else 240)
        )
        track.append(mido.Message("note_off", note=48, time=240))
    midi.save(out / "kick.mid")
    command = [sys.executable, "-m", "sds_bridge.cli", "render", str(out / "kick.mid"), "--patch", str(patch)]
    subprocess.run([*command, "-o", str(out / "kick-stem.wav"), "--force"], check=True, capture_output=True)


def mixture(out: Path) -> tuple[Path, dict[str, np.ndarray], int]:
    """The demo's mixture of two corpus clips at equal energy (the saxophone is held out from training), written as ``mix.wav``."""
    sources, rate = {}, 0
    for name, path in MIXTURE.items():
        clip = audio.load(path)
        rate = clip.rate
        sources[name] = clip.samples / np.sqrt(np.mean(clip.samples**2))
    length = min(s.shape[1] for s in sources.values())
    sources = {name: s[:, :length] for name, s in sources.items()}
    mixed = sum(sources.values())
    scale = 0.8 / np.abs(mixed).max()
    audio.save(out / "mix.wav", mixed * scale, rate, "PCM_24")
    return out / "mix.wav", {name: (s * scale).astype(np.float32) for name, s in sources.items()}, rate


def _separate(client: Client, out: Path, options: dict[str, int], table: Table) -> None:
    from sds_bridge.evaluation.metrics import sdr

    clip, sources, _ = mixture(out)
    mixed = audio.load(clip).samples
    rows = {"mix": [sdr(s, mixed) for s in sources.values()]}
    seconds = 0.0
    for name, weight in (("reconstruction-only", {"sds_weight": 0}), ("SDS", {})):
        state = _follow(client, client.separate(clip, list(sources), **options, **weight), f"separate, {name}")
        folder = _collect(state, out / ("stems" if name == "SDS" else "stems-reconstruction-only"))
        found = [audio.load(sorted(folder.glob(f"0{i + 1}-*.wav"))[0]).samples for i in range(len(sources))]
        rows[name] = [sdr(s, f) for s, f in zip(sources.values(), found, strict=True)]
        seconds = json.loads((folder / "job.json").read_text())["seconds"]
    means = {name: float(np.mean(values)) for name, values in rows.items()}
    table.add_row(
        "separate saxophone + traffic",
        f"SDR mix {means['mix']:+.1f} dB → reconstruction-only {means['reconstruction-only']:+.1f} dB",
        f"SDS {means['SDS']:+.1f} dB",
        f"{seconds:.0f}",
        "stems/",
    )
