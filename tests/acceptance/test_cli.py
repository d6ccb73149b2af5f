"""The command line as a user meets it: one-line errors, no traceback, nothing overwritten."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from sds_bridge.daemon.store import Store


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "sds_bridge.cli", *map(str, arguments)], capture_output=True, text=True, cwd=cwd
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.wav").write_text("this is not audio")
    soundfile.write(folder / "nan.wav", np.full(100, np.nan, np.float32), 8000, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(8000), 8000)
    soundfile.write(folder / "empty.wav", np.zeros(0), 8000)
    soundfile.write(folder / "long.wav", np.zeros(8000 * 600, np.int16), 8000)
    os.mkfifo(folder / "pipe.syx")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("precious")
    return folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tune", "", "-o", "x"], "prompt"),
        (["tune", "   ", "-o", "x"], "empty"),
        (["tune", "kick", "--algorithm", "4", "-o", "x"], "--algorithm 4: is for a dx7 voice"),
        (["tune", "kick", "--synth", "moog", "-o", "x"], "moog"),
        (["tune", "kick", "--note", "H9", "-o", "x"], "H9"),
        (["tune", "kick", "--note", "200", "-o", "x"], "0 to 127"),
        (["tune", "kick", "--steps", "-1", "-o", "x"], "steps"),
        (["tune", "kick", "-o", "full"], "not empty"),
        (["tune", "kick", "-o", "text.wav"], "is a file"),
        (["tune", "kick", "--prior", "nonsense", "-o", "y1"], "nonsense"),
        (["tune", "kick", "--from", "no.json", "-o", "y2"], "no such file"),
        (["tune", "kick", "--from", "text.wav", "-o", "y3"], "not a version 1 patch"),
        (["tune", "kick", "--plugin", "vital", "-o", "y4"], "not installed here"),
        (["separate", "no.wav", "--stem", "a", "-o", "x"], "no such file"),
        (["separate", "text.wav", "--stem", "a", "-o", "x"], "not a readable audio file"),
        (["separate", "nan.wav", "--stem", "a", "-o", "x"], "NaN"),
        (["separate", "empty.wav", "--stem", "a", "-o", "x"], "0 samples"),
        (["separate", "long.wav", "--stem", "a", "-o", "x"], "600 s long"),
        (["separate", "long.wav", "--stem", " ", "-o", "x"], "empty"),
        (["sample", "", "-o", "x.wav"], "empty"),
        (["sample", "kick"], "-o FILE.wav"),
        (["export", "no.json", "--to", "dx7", "-o", "x.syx"], "no such file"),
        (["import", "text.wav", "-o", "x.json"], "not F0"),
        (["import", "pipe.syx", "-o", "x.json"], "is no ordinary file"),
        (["sample", "kick drum", "-o", "text.wav/x.wav"], "text.wav/x.wav: "),
        (["import", "no.syx", "-o", "x.json"], "can't be read"),
        (["history", "full", "--step", "3", "-o", "x.json"], "no such file"),
        (["tune", "kick", "--synth", "dx7", "--algorithm", "33", "-o", "x"], "algorithm"),
        (["tune", "kick", "--amount", "1.5", "-o", "x"], "amount"),
        (["plugins", "show", "moog"], "'moog' has no spec"),
        (["plugins", "check", "none.toml"], "no such file"),
        (["plugins", "learn", "none.vst3"], "no such file"),
        (["plugins", "learn", "text.wav"], "has no spec"),
        (["plugins", "scan", "--folder", "none"], "no such folder"),
        (["stems", "none.toml", "-o", "x"], "no such file"),
        (["stems", "text.wav", "-o", "x"], "not readable as TOML"),
        (["match", "no.wav", "--plugin", "fm6", "-o", "x"], "no such file"),
        (["match", "empty.wav", "--plugin", "fm6", "-o", "x"], "0 samples"),
        (["match", "silent.wav", "--plugin", "vital", "-o", "z1"], "not installed here"),
        (["match", "silent.wav", "--plugin", "fm6", "--note", "H9", "-o", "x"], "H9"),
        (["match", "silent.wav", "--plugin", "fm6", "--seconds", "0", "-o", "x"], "seconds"),
        (["render", "text.wav", "--patch", "no.json", "-o", "x.wav"], "no such file|not"),
    ],
)
def test_bad_input_is_one_line(inputs, arguments, says):
    import re

    before = sorted(p.name for p in inputs.iterdir())
    done = run(*arguments, cwd=inputs)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert re.search(says, done.stderr), done.stderr
    assert (inputs / "full" / "mine.txt").read_text() == "precious"
    left = sorted(p.name for p in inputs.iterdir() if not (p.is_dir() and not any(p.iterdir())))
    assert left == [n for n in before if n in left]


def test_listing_commands(inputs):
    sounds = run("sample", "--list", cwd=inputs)
    assert sounds.returncode == 0 and "saxophone" in sounds.stdout.splitlines()
    priors = run("priors", cwd=inputs)
    assert "starter" in priors.stdout and "gated" in priors.stdout


def test_sample_tune_export_render(inputs, tmp_path):
    import mido

    assert run("sample", "kick drum", "-o", "kick.wav", "--steps", 4, cwd=tmp_path).returncode == 0
    assert soundfile.info(tmp_path / "kick.wav").samplerate == 24000
    again = run("sample", "kick drum", "-o", "kick.wav", cwd=tmp_path)
    assert again.returncode == 2 and "exists already" in again.stderr
    done = run("tune", "kick drum, bass, reverb", "--steps", 2, "--candidates", 4, "-o", "kick", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "alignment" in done.stdout
    done = run("export", "kick/patch.json", "--to", "dx7", "-o", "kick.syx", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "kick.syx").stat().st_size == 163
    midi = mido.MidiFile()
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track += [mido.Message("note_on", note=48, velocity=100), mido.Message("note_off", note=48, time=240)]
    midi.save(tmp_path / "song.mid")
    done = run("render", "song.mid", "--patch", "kick/patch.json", "-o", "stem.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    audio, rate = soundfile.read(tmp_path / "stem.wav")
    assert rate == 44100 and np.abs(audio).max() > 0.001


def test_jobs_are_listed_and_backed_up_beside_a_daemon(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    store.create("tune", {"prompt": "kick drum"}, priority=7)
    done = run("jobs", "backup", "copy.sqlite", "--dir", ".", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("copy.sqlite: 1 jobs."), done.stderr
    again = run("jobs", "backup", "copy.sqlite", "--dir", ".", cwd=tmp_path)
    assert again.returncode == 2 and "is there already" in again.stderr
    listed = run("jobs", "list", "--dir", ".", cwd=tmp_path)
    assert "kick drum" in listed.stdout + listed.stderr and "queued" in listed.stdout + listed.stderr
    assert run("jobs", "list", "--dir", "none", cwd=tmp_path).returncode == 2
    store.close()
    copy = Store(tmp_path / "copy.sqlite")
    assert (copy.get(1).priority, copy.get(1).request) == (7, {"prompt": "kick drum"})
    copy.close()


def test_ctrl_c_stops_a_tune_that_can_be_gone_on_with(tmp_path):
    command = ["tune", "kick", "--steps", "4000", "--batch", "1", "--candidates", "0", "-o", "out"]
    running = subprocess.Popen([sys.executable, "-m", "sds_bridge.cli", *command], cwd=tmp_path, stderr=subprocess.PIPE)
    began = time.monotonic()
    while not (tmp_path / "out" / ".steps.part").exists() or (tmp_path / "out" / ".steps.part").stat().st_size < 1000:
        assert time.monotonic() - began < 60 and running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=15)[1].decode()
    assert running.returncode == 130 and "goes on from its checkpoint" in said and "loss " in said
    assert (tmp_path / "out" / ".checkpoint.safetensors").exists()


def test_a_tune_goes_on_with_the_synth_and_the_note_of_its_start(tmp_path):
    run("tune", "bell", "--synth", "dx7", "--note", "C5", "--steps", "0", "-o", "one", cwd=tmp_path)
    go_on = ["tune", "darker bell", "--from", "one/patch.json", "--lock", "lfo.*", "--amount", "0.4", "--steps", "1"]
    done = run(*go_on, "-o", "two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    request = json.loads((tmp_path / "two" / "job.json").read_text())["request"]
    assert request["synth"] == "dx7" and request["note"] == 72
    assert json.loads((tmp_path / "two" / "patch.json").read_text())["synth"] == "dx7"
    done = run(*go_on, "--note", "C2", "--synth", "fm", "-o", "three", cwd=tmp_path)
    assert done.returncode == 2 and "Use --synth dx7" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["import", "a.syx", "-o", "taken", "--force"], ["history", "one", "--step", "0", "-o", "taken", "--force"]],
)
def test_what_can_not_be_written_is_one_line_and_leaves_nothing(arguments, tmp_path):
    run("tune", "bell", "--synth", "dx7", "--steps", "1", "--candidates", "0", "-o", "one", cwd=tmp_path)
    run("export", "one/patch.json", "--to", "dx7", "-o", "a.syx", cwd=tmp_path)
    (tmp_path / "taken").mkdir()
    before = sorted(f.name for f in tmp_path.iterdir())
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "taken: Is a directory" in done.stderr, done.stderr
    assert sorted(f.name for f in tmp_path.iterdir()) == before
