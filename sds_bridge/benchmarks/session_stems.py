"""How fast `sds-bridge stems` is: ``python -m sds_bridge.benchmarks.session_stems``, from the command's start to its end.

A session of eight tracks: FM6 and Nekobi (where they are installed, see ``$SDS_BRIDGE_PLUGINS``), our own fm, modal
and dx7 patches, with effects. Every track has a note or a chord a quarter of a second to two seconds long at any time,
with velocities as drawn. It is rendered twice, and the bytes are compared.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import mido
import numpy as np
import typer

TICKS, BEATS_A_MINUTE = 480, 120
LENGTHS = (240, 480, 480, 960, 1920)

# name, synth of its patch, the rest of its table
TRACKS = (
    ("keys", "fm", "plugin = 'fm6'\neffects = [{ effect = 'Reverb' }]"),
    ("lead", "", "plugin = 'fm6'\nparameters = { op2_level = 0.6 }\neffects = [{ effect = 'Delay' }]\npan = 0.3"),
    ("bass", "", "plugin = 'nekobi'\nparameters = { cutoff = 0.6 }\neffects = [{ effect = 'Compressor' }]"),
    ("acid", "", "plugin = 'nekobi'\neffects = [{ effect = 'Chorus' }, { effect = 'Limiter' }]\ngain = -3.0"),
    ("own fm", "fm", "gain = -6.0"),
    ("own fm in a room", "fm", "effects = [{ effect = 'Reverb' }]"),
    ("own modal", "modal", "effects = [{ effect = 'Compressor' }]\npan = -0.4"),
    ("own dx7", "dx7", ""),
)


def write_song(path: Path, seconds: float, seed: int, free: bool) -> None:
    """A channel a track, chords of up to three notes one after the other; ``free`` lengths are drawn to the tick."""
    rng = np.random.default_rng(seed)
    song = mido.MidiFile(ticks_per_beat=TICKS)
    end = round(seconds * TICKS * BEATS_A_MINUTE / 60)
    for channel in range(len(TRACKS)):
        track = mido.MidiTrack()
        song.tracks.append(track)
        now = 0
        while now < end:
            length = int(rng.choice(LENGTHS))
            length = min(round(length * rng.uniform(0.7, 1.0)) if free else length, end - now)
            keys = 36 + 12 * (channel % 3) + rng.choice(24, size=int(rng.integers(1, 4)), replace=False)
            for key in keys:
                track.append(
                    mido.Message("note_on", channel=channel, note=int(key), velocity=int(rng.integers(40, 120)))
                )
            for i, key in enumerate(keys):
                track.append(mido.Message("note_off", channel=channel, note=int(key), time=0 if i else length))
            now += length
    song.save(path)


def write_session(folder: Path, seconds: float, seed: int, free: bool) -> Path:
    """``session.toml`` with its song and patches."""
    from sds_bridge.synths.catalog import make_synth

    lines = ["rate = 48000", "tail = 2.0"]
    for number, (name, synth_name, rest) in enumerate(TRACKS, 1):
        lines += ["[[track]]", f"name = '{name}'", "midi = 'song.mid'", f"channel = {number}", rest]
        if synth_name:
            synth = make_synth(synth_name, {})
            position = synth.starting_positions(1, seed + number)
            synth.patch_of(position, name=name, note=60).save(folder / f"{number}.json")
            lines.append(f"patch = '{number}.json'")
    write_song(folder / "song.mid", seconds, seed, free)
    path = folder / "session.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def main(
    seconds: Annotated[float, typer.Option(help="of music")] = 300.0,
    seed: Annotated[int, typer.Option(help="of notes and patches")] = 0,
    free: Annotated[bool, typer.Option("--free", help="note lengths as people play them, no two alike")] = False,
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        session = write_session(folder, seconds, seed, free)
        for out in ("one", "two"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.monotonic()
            command = [sys.executable, "-m", "sds_bridge.cli", "stems", str(session), "-o", str(folder / out)]
            done = subprocess.run(command, capture_output=True, text=True)
            spent = time.monotonic() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode:
                sys.exit(done.stderr)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{len(TRACKS)} tracks of {seconds + 2:.0f} s in {spent:.1f} s: {(seconds + 2) / spent:.1f} × real time;"
                f" {cpu:.1f} CPU-seconds on {len(os.sched_getaffinity(0))} cores",
                flush=True,
            )
        names = sorted(p.name for p in (folder / "one").iterdir())
        same = all((folder / "one" / n).read_bytes() == (folder / "two" / n).read_bytes() for n in names)
        print(f"{len(names)} files, the same bytes twice: {'yes' if same else 'NO'}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
