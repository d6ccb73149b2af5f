"""Separation keeps what it promises: rate, length, channels, depth, and stems + residual = clip."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from sds_bridge.tasks import separate
from sds_bridge.tasks.requests import SeparateRequest


def quiet(_):
    return None


def write_clip(path, rate, channels, seconds, subtype):
    rng = np.random.default_rng(0)
    t = np.arange(int(rate * seconds)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * t)
    samples = np.stack([tone + 0.05 * rng.standard_normal(len(t)) for _ in range(channels)], 1)
    soundfile.write(path, samples, rate, subtype=subtype)


@pytest.mark.parametrize(
    ("rate", "channels", "seconds", "subtype"),
    [(44100, 2, 3.1, "PCM_24"), (48000, 1, 0.3, "FLOAT"), (22050, 2, 2.048, "PCM_16"), (96000, 1, 0.01, "FLOAT")],
)
def test_stems_sum_to_the_clip_in_its_own_format(tmp_path, rate, channels, seconds, subtype):
    clip = tmp_path / "clip.wav"
    write_clip(clip, rate, channels, seconds, subtype)
    out = tmp_path / "out"
    out.mkdir()
    request = SeparateRequest(clip=str(clip), stems=["saxophone", "traffic"], steps=2)
    result = separate.run(request, out, quiet, lambda: False)
    assert {f.name for f in result.files} >= {"01-saxophone.wav", "02-traffic.wav", "residual.wav", "job.json"}
    original, _ = soundfile.read(clip, always_2d=True)
    total = 0
    for name in ("01-saxophone.wav", "02-traffic.wav", "residual.wav"):
        info = soundfile.info(out / name)
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (rate, channels, len(original), subtype)
        total = total + soundfile.read(out / name, always_2d=True)[0]
        with soundfile.SoundFile(out / name) as stem:
            said = json.loads(stem.comment)
        assert said["request"]["clip"] == "clip.wav" and said["request"]["stems"] == request.stems
        assert said["seed"] == 0 and said["settings"]["steps"] == 2 and said["versions"]["torch"]
    assert 20 * np.log10(np.abs(total - original).max() + 1e-12) < -90
    assert json.loads((out / "job.json").read_text())["seed"] == 0


def test_latent_mode_leaves_the_rest_in_the_residual(tmp_path):
    clip = tmp_path / "clip.wav"
    write_clip(clip, 24000, 1, 2.0, "PCM_16")
    out = tmp_path / "out"
    out.mkdir()
    request = SeparateRequest(clip=str(clip), stems=["saxophone", "traffic"], steps=2, mode="latent")
    separate.run(request, out, quiet, lambda: False)
    original, _ = soundfile.read(clip)
    total = sum(soundfile.read(out / n)[0] for n in ("01-saxophone.wav", "02-traffic.wav", "residual.wav"))
    assert 20 * np.log10(np.abs(total - original).max() + 1e-12) < -90


def test_the_same_seed_gives_the_same_bits(tmp_path):
    clip = tmp_path / "clip.wav"
    write_clip(clip, 24000, 1, 1.0, "FLOAT")
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        request = SeparateRequest(clip=str(clip), stems=["piano", "rain"], steps=3, seed=seed)
        separate.run(request, tmp_path / name, quiet, lambda: False)
        found.append(soundfile.read(tmp_path / name / "01-piano.wav")[0])
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_stop_leaves_a_checkpoint_to_go_on_from(tmp_path):
    clip = tmp_path / "clip.wav"
    write_clip(clip, 24000, 1, 1.0, "FLOAT")
    outs = {}
    request = SeparateRequest(clip=str(clip), stems=["piano", "rain"], steps=4)
    for name in ("whole", "cut"):
        outs[name] = tmp_path / name
        outs[name].mkdir()
    separate.run(request, outs["whole"], quiet, lambda: False)
    steps = []
    stopped = separate.run(request, outs["cut"], lambda p: steps.append(p.step), lambda: len(steps) >= 3)
    assert stopped.stopped and not (outs["cut"] / "01-piano.wav").exists()
    separate.run(request, outs["cut"], quiet, lambda: False)
    a, b = (soundfile.read(outs[n] / "01-piano.wav")[0] for n in ("whole", "cut"))
    assert np.array_equal(a, b)
