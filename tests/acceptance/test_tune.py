"""Tuning end to end on the bundled prior: files, provenance, locks, determinism, resume."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from sds_bridge.errors import DivergedError, InputError
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks import starting_point, tune
from sds_bridge.tasks.requests import TuneRequest


def go(folder, should_stop=lambda: False, report=lambda p: None, **options):
    folder.mkdir(exist_ok=True)
    return tune.run(
        TuneRequest(**{"prompt": "kick drum", "steps": 3, "batch": 2, "candidates": 0, **options}),
        folder,
        report,
        should_stop,
    )


@pytest.mark.parametrize("synth", ["fm", "modal", "dx7"])
def test_a_tune_leaves_all_its_files(tmp_path, synth):
    seen = []
    result = go(tmp_path / "o", synth=synth, report=seen.append)
    names = {f.name for f in result.files}
    assert names == {"patch.json", "preview.wav", "before-after.png", "history.csv", "job.json", "steps.npz"}
    assert [p.step for p in seen if not p.doing] == [0, 1, 2, 3]
    job = json.loads((tmp_path / "o" / "job.json").read_text())
    assert job["seed"] == 0 and job["versions"]["torch"] and job["prior"]["name"] == "starter"
    assert {"alignment_before", "alignment_after", "judge", "settings", "request"} <= set(job)
    patch = Patch.load(tmp_path / "o" / "patch.json")
    assert patch.synth == synth
    assert {"seed", "prior", "versions", "settings", "prompt"} <= set(patch.provenance)
    with (
        soundfile.SoundFile(tmp_path / "o" / "preview.wav") as preview,
        Image.open(tmp_path / "o" / "before-after.png") as picture,
    ):
        for text in (preview.comment, picture.text["Comment"]):
            said = json.loads(text)
            assert (said["seed"], said["prior"], said["versions"]) == (0, job["prior"], job["versions"])
            assert said["settings"] == job["settings"]
    assert json.loads(str(np.load(tmp_path / "o" / "steps.npz")["provenance"])) == patch.provenance
    audio, rate = soundfile.read(tmp_path / "o" / "preview.wav")
    assert rate == 44100 and audio.shape[1] == 2 and np.abs(audio).max() > 0.01
    assert len((tmp_path / "o" / "history.csv").read_text().splitlines()) == 4


def test_zero_steps_write_the_starting_point(tmp_path):
    go(tmp_path / "a", steps=0)
    go(tmp_path / "b", steps=0, prompt="saxophone")
    assert Patch.load(tmp_path / "a" / "patch.json").parameters == Patch.load(tmp_path / "b" / "patch.json").parameters
    assert Patch.load(tmp_path / "a" / "patch.json").parameters["op1.level"] > 0


def test_locked_parameters_stay_and_others_move(tmp_path):
    go(tmp_path / "a", steps=0)
    start = str(tmp_path / "a" / "patch.json")
    go(tmp_path / "b", start=start, lock=["op1.*", "matrix.*"])
    before, after = (Patch.load(tmp_path / n / "patch.json").parameters for n in "ab")
    for name, value in before.items():
        if name.startswith(("op1.", "matrix.")):
            assert after[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name
    assert any(
        abs(after[n] - before[n]) > 1e-4 * abs(before[n]) for n in before if not n.startswith(("op1.", "matrix."))
    )


@pytest.mark.parametrize("lock", [["nonsense"], ["*"]])
def test_bad_locks_say_so(tmp_path, lock):
    with pytest.raises(InputError, match="lock"):
        go(tmp_path / "o", lock=lock)


def test_a_patch_of_another_synth_cant_start(tmp_path):
    go(tmp_path / "a", steps=0)
    with pytest.raises(InputError, match="--synth fm"):
        go(tmp_path / "b", start=str(tmp_path / "a" / "patch.json"), synth="modal")


def test_a_stopped_tune_resumes_bit_equal(tmp_path):
    go(tmp_path / "whole", steps=6)
    steps = []
    stopped = go(tmp_path / "cut", steps=6, report=lambda p: steps.append(p.step), should_stop=lambda: len(steps) >= 4)
    assert stopped.stopped and not (tmp_path / "cut" / "patch.json").exists()
    seen = []
    go(tmp_path / "cut", steps=6, report=lambda p: seen.append(p.step))
    assert seen[1] == 4
    whole, cut = (Patch.load(tmp_path / n / "patch.json") for n in ("whole", "cut"))
    assert whole.parameters == cut.parameters


def test_a_tune_that_could_not_write_its_last_file_ends_as_it_would_have(tmp_path):
    go(tmp_path / "whole", steps=6)
    steps = []
    go(tmp_path / "cut", steps=6, report=lambda p: steps.append(p.step), should_stop=lambda: len(steps) >= 4)
    (tmp_path / "cut" / "job.json").mkdir()  # no file can be renamed over it
    with pytest.raises(OSError, match=r"job\.json"):
        go(tmp_path / "cut", steps=6)
    (tmp_path / "cut" / "job.json").rmdir()
    result = go(tmp_path / "cut", steps=6)
    for name in {f.name for f in result.files} - {"job.json"}:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list((tmp_path / "cut").glob(".*"))


def test_a_tune_that_diverges_leaves_its_last_good_patch(tmp_path, monkeypatch):
    from sds_bridge.synths.declarations import declared
    from sds_bridge.tasks.history import patch_at

    score = tune.sds_loss
    monkeypatch.setattr(tune, "sds_loss", lambda *args: score(*args) * (float("nan") if args[4] == 3 else 1))
    with pytest.raises(DivergedError, match="step 3"):
        go(tmp_path / "o", steps=6)
    patch = Patch.load(tmp_path / "o" / "patch.json")
    declaration = declared("fm", patch.settings)
    assert patch_at(tmp_path / "o", 3, declaration).parameters == pytest.approx(patch.parameters, rel=1e-5, abs=1e-7)
    assert json.loads((tmp_path / "o" / "job.json").read_text())["steps_done"] == 3
    assert not list((tmp_path / "o").glob(".*"))


def test_every_step_can_be_gone_back_to(tmp_path):
    from sds_bridge.synths.declarations import declared
    from sds_bridge.tasks.history import patch_at

    go(tmp_path / "o", steps=4)
    go(tmp_path / "start", steps=0)
    last = Patch.load(tmp_path / "o" / "patch.json")
    parameters = declared("fm", last.settings)
    first = patch_at(tmp_path / "o", 0, parameters)
    begun = Patch.load(tmp_path / "start" / "patch.json")
    assert first.parameters == pytest.approx(begun.parameters, rel=1e-5, abs=1e-7)
    kept = json.loads((tmp_path / "o" / "job.json").read_text())["kept_step"]
    assert 1 <= kept <= 4
    assert patch_at(tmp_path / "o", kept, parameters).parameters == pytest.approx(last.parameters, rel=1e-5, abs=1e-7)
    with pytest.raises(InputError, match="steps 0 to 4"):
        patch_at(tmp_path / "o", 5, parameters)
    with pytest.raises(InputError, match="no history"):
        patch_at(tmp_path, 0, parameters)


def test_amount_blends_on_the_parameters_own_curve(tmp_path):
    from sds_bridge.synths.declarations import declared

    for name, amount in (("none", 0.0), ("half", 0.5), ("whole", 1.0)):
        go(tmp_path / name, steps=4, amount=amount)
    none, half, whole = (Patch.load(tmp_path / n / "patch.json").parameters for n in ("none", "half", "whole"))
    for p in declared("fm"):
        between = 0.5 * (p.to_position(none[p.name]) + p.to_position(whole[p.name]))
        assert p.to_position(half[p.name]) == pytest.approx(between, abs=1e-4), p.name


def test_a_tuned_dx7_patch_is_on_the_grid_and_keeps_what_has_no_slope(tmp_path):
    go(tmp_path / "o", synth="dx7", algorithm=19)
    go(tmp_path / "start", synth="dx7", algorithm=19, steps=0)
    tuned, start = (Patch.load(tmp_path / n / "patch.json").parameters for n in ("o", "start"))
    assert tuned["algorithm"] == 18
    assert all(value == round(value) for value in tuned.values())
    assert tuned != start
    assert all(tuned[n] == start[n] for n in ("lfo.wave", "transpose", "op1.left_curve", "op3.fixed_frequency"))


def test_the_start_is_chosen_among_candidates(tmp_path, monkeypatch):
    monkeypatch.setattr(starting_point, "TRIAL_STEPS", 1)
    seen = []
    go(tmp_path / "plain", steps=0)
    go(tmp_path / "o", candidates=12, report=seen.append, lock=["op2.ratio"])
    assert any("choosing a start" in p.doing for p in seen) and {p.step for p in seen} == {0, 1, 2, 3}
    plain, found = (Patch.load(tmp_path / n / "patch.json").parameters for n in ("plain", "o"))
    assert found["op2.ratio"] == pytest.approx(plain["op2.ratio"], rel=1e-5)
    assert not (tmp_path / "o" / ".start.safetensors").exists()


def test_a_tune_that_was_cut_off_keeps_the_start_it_chose(tmp_path, monkeypatch):
    monkeypatch.setattr(starting_point, "TRIAL_STEPS", 1)
    go(tmp_path / "whole", candidates=8)
    steps = []
    go(tmp_path / "cut", candidates=8, report=lambda p: steps.append(p.step), should_stop=lambda: 1 in steps)
    monkeypatch.setattr(tune, "best_start", None)
    go(tmp_path / "cut", candidates=8)
    whole, cut = (Patch.load(tmp_path / n / "patch.json").parameters for n in ("whole", "cut"))
    assert whole == cut


def test_a_stop_while_choosing_ends_there(tmp_path):
    seen = []
    stopped = go(tmp_path / "o", candidates=96, report=seen.append, should_stop=lambda: len(seen) > 2)
    assert stopped.stopped and len(seen) <= 4


def test_auto_takes_an_algorithm_that_it_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(starting_point, "TRIAL_STEPS", 1)
    go(tmp_path / "o", synth="dx7", steps=2, candidates=8, prompt="electric piano")
    go(tmp_path / "fixed", synth="dx7", steps=2, candidates=8, algorithm=7)
    patches = [Patch.load(tmp_path / n / "patch.json") for n in ("o", "fixed")]
    assert patches[1].parameters["algorithm"] == 6
    tried = make_synth("dx7").varied_positions(8, 0)["algorithm"][:, 0] * 31
    assert patches[0].parameters["algorithm"] in [4, *tried.round().tolist()]


@pytest.mark.parametrize("synth", ["fm", "modal", "dx7"])
def test_varied_sounds_sound_and_differ(synth):
    import torch

    made = make_synth(synth)
    positions = made.varied_positions(24, seed=3)
    assert all(v.shape == (24, p.size) for p, v in zip(made.parameters, positions.values(), strict=True))
    assert all(((v >= 0) & (v <= 1)).all() for v in positions.values())
    again = made.varied_positions(24, seed=3)
    assert all(torch.equal(positions[n], again[n]) for n in positions)
    with torch.no_grad():
        x = made.render(made.values_at(positions), note=48, velocity=100, seconds=1.0, hold=0.7, rate=24000)
    assert torch.isfinite(x).all() and (x.abs().amax((1, 2)) > 1e-3).all()
    spectra = torch.fft.rfft(x[:, 0]).abs().square()
    centres = (spectra * torch.arange(spectra.shape[1])).sum(1) / spectra.sum(1)
    assert centres.max() > 4 * centres.min()


def test_evidence_knows_the_prompt_of_a_sound():
    """On the bundled prior, a held-out saxophone is explained better by its own name than by others."""
    import torch

    from sds_bridge import audio
    from sds_bridge.demo import MIXTURE
    from sds_bridge.distillation.evidence import draw, evidence
    from sds_bridge.priors import catalog

    prior = catalog.load("starter")
    clip = audio.load(MIXTURE["saxophone"])
    heard = audio.resample(clip.samples, clip.rate, prior.sample_rate).mean(0)
    heard = audio.fit_length(heard[None], 32 * prior.hop_length)[0]
    latents = prior.encode(torch.from_numpy(0.9 * heard / np.abs(heard).max()).float()[None, None])
    draws = draw(24, latents.shape[1:], 0.85, 0.99, torch.Generator().manual_seed(0))
    without = prior.embed(None, 2.0)
    found = {
        p: evidence(prior, latents, prior.embed(p, 2.0), without, draws) for p in ("saxophone", "kick drum", "rain")
    }
    assert found["saxophone"] > 0 > max(found["kick drum"], found["rain"])


def test_unknown_words_are_named(tmp_path):
    said = []
    result = go(tmp_path / "o", prompt="kick xyzzyfoo", report=lambda p: said.append(p.message), steps=0)
    assert "xyzzyfoo" in said[0] and "xyzzyfoo" in result.summary["warnings"][0]
    result = go(tmp_path / "p", prompt="xyzzyfoo", steps=0)
    assert "no word is left" in result.summary["warnings"][0]


@pytest.mark.parametrize("update", ["encoder", "waveform", "spectrogram", "multiscale", "classifier"])
def test_every_update_moves_the_patch(update):
    """Each of the paper's updates gives a finite gradient that is not zero through the whole chain."""
    from dataclasses import replace

    import torch

    from sds_bridge.distillation.profiles import PROFILES
    from sds_bridge.priors import catalog

    prior = catalog.load("starter")
    request = TuneRequest(prompt="kick drum")
    synth, start, reference = tune.beginning(request)
    stage = tune.Stage(synth, prior, 48, tune.window_seconds(prior), 0, reference)
    settings = replace(PROFILES["draft"], update=update, batch=2, denoising_steps=2)
    leaves = {k: v.clone().requires_grad_() for k, v in start.items()}
    prompt, without = prior.embed("kick drum", 2.0), prior.embed("noisy", 2.0)
    loss = tune.sds_loss(stage, settings, prompt, without, 0, leaves, torch.Generator().manual_seed(0))
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert sum(g.abs().sum() for g in gradients) > 0
