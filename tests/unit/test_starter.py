"""How the starter is made: sounds, captions, split, and a training that survives a kill bit-equal."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import soundfile
import torch

from sds_bridge.starter import captions, corpus, procedural, variations


@pytest.mark.parametrize("sound", procedural.SOUNDS, ids=lambda s: s.label)
def test_procedural_sounds_are_sound_and_seeded(sound):
    audio, caption = sound.make(np.random.default_rng(3))
    again, same = sound.make(np.random.default_rng(3))
    other, _ = sound.make(np.random.default_rng(4))
    assert audio.shape == (corpus.WINDOW,) and np.isfinite(audio).all()
    assert np.array_equal(audio, again) and caption == same
    assert not np.array_equal(audio, other)
    assert np.abs(corpus.fit_window(audio)).max() == pytest.approx(0.9, abs=1e-3)


def test_a_hum_is_at_mains_harmonics():
    """A hum's energy lies at multiples of 50 or 60 Hz."""
    hum = next(s for s in procedural.SOUNDS if s.label == "hum")
    audio, _ = hum.make(np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    peak = np.fft.rfftfreq(len(audio), 1 / 24000)[spectrum.argmax()]
    assert min(abs(peak / 50 - round(peak / 50)), abs(peak / 60 - round(peak / 60))) < 0.02


def test_every_variation_of_a_caption_is_in_the_vocabulary():
    known = set(captions.vocabulary(["kick drum", "TR-808 kick drum", "pot hit"], variations.ATTRIBUTES))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        text = captions.vary("TR-808 kick drum", "kick drum", ("deep", "with reverb"), rng)
        assert text and set(text.split()) <= known
        seen.add(text)
    assert len(seen) > 50


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("deep kick", {"deep", "kick"}),
        ("Bass drum, with room reverb!", {"bass", "drum", "with", "room", "reverb"}),
        ("", set()),
    ],
)
def test_words(prompt, wanted):
    assert set(captions.words(prompt)) == wanted


def test_the_split_is_fixed_and_about_five_percent():
    held_out = [corpus.is_held_out(f"kick/{i}.opus") for i in range(4000)]
    assert 0.04 < np.mean(held_out) < 0.06
    assert held_out == [corpus.is_held_out(f"kick/{i}.opus") for i in range(4000)]


def test_weights_sample_by_class_not_by_clip():
    def clip(label):
        return corpus.Clip(np.zeros(1, np.float32), label, label, "p", "l", False)

    clips = [clip("tom")] * 90 + [clip("dog")] * 10
    weights = corpus.class_weights(clips, exponent=0.5, most=64)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[:90].sum() / weights[90:].sum() == pytest.approx((64 / 10) ** 0.5)


@pytest.fixture
def small_corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "caption", "class", "group", "package", "licence", "variant"])
        for i in range(10):
            soundfile.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(24000), 24000)
            table.writerow([f"{i}.wav", "white noise", "static", "environment", "test", "CC0", "dry"])
    return folder


def test_training_resumes_bit_equal_after_a_kill(small_corpus, tmp_path):
    from dataclasses import replace

    from safetensors.torch import load_file

    from sds_bridge.starter.diffusion import Settings, train

    settings = Settings(steps=4, batch=2, bf16=False, procedural_per_class=0, checkpoint_seconds=0.0, decay_share=0.0)
    train(small_corpus, tmp_path / "whole", tmp_path / "a", settings)
    train(small_corpus, tmp_path / "cut", tmp_path / "b", replace(settings, steps=2))
    train(small_corpus, tmp_path / "cut", tmp_path / "b", settings)
    one, two = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "cut"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert (tmp_path / "b" / "model_index.json").exists()


def test_a_corpus_at_another_rate_is_refused(small_corpus):
    soundfile.write(small_corpus / "0.wav", np.zeros(44100), 44100)
    with pytest.raises(ValueError, match="44100"):
        list(corpus.read(small_corpus))


def test_most_draws_of_t_fall_where_the_prompt_matters():
    from sds_bridge.starter.diffusion import noise_level

    t = noise_level((torch.arange(10_000) + 0.5) / 10_000, gist_share=0.6)
    assert t.min() > 0 and t.max() < 1
    odds = torch.tan(t * math.pi / 2)
    assert odds[:6000].log().mean().exp().item() == pytest.approx(6.0, rel=0.01)
    assert odds[:6000].log().std().item() == pytest.approx(1.1, rel=0.01)
    assert t[6000:].mean().item() == pytest.approx(0.5, abs=0.01)


def test_a_warm_start_warms_up_again_and_cools_over_its_own_steps():
    from sds_bridge.starter.diffusion import Settings, learning_rate

    settings = Settings(steps=2000, warm_up=100, decay_share=0.25, learning_rate=1.0)
    rates = [learning_rate(settings, step, first=1000) for step in (1000, 1099, 1500, 1749, 1999)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[1:4] == pytest.approx([1.0, 1.0, 1.0])
    assert rates[4] < 1e-3
