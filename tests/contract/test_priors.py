"""Both adapters on small random models, saved to a folder and loaded with from_pretrained."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel
from transformers import T5Config, T5EncoderModel

from sds_bridge.errors import PriorError
from sds_bridge.priors import catalog
from sds_bridge.starter.architecture import make_tokenizer

TIMES = (0.05, 0.2, 0.5, 0.8, 0.98)


@pytest.fixture(scope="module")
def open_folder(tmp_path_factory):
    """Stable Audio Open's classes, AutoencoderOobleck included, with random weights."""
    torch.manual_seed(0)
    pipeline = StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=16,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 2],
            decoder_channels=16,
            decoder_input_channels=8,
            audio_channels=2,
            sampling_rate=8000,
        ),
        text_encoder=T5EncoderModel(T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=16, conditioning_dim=16, min_value=0, max_value=32
        ),
        tokenizer=make_tokenizer(["drum", "kick"]),
        transformer=StableAudioDiTModel(
            sample_size=64,
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            cross_attention_dim=16,
            cross_attention_input_dim=16,
            global_states_input_dim=32,
            time_proj_dim=16,
        ),
        scheduler=CosineDPMSolverMultistepScheduler(),
    )
    folder = tmp_path_factory.mktemp("open")
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def three_folder(tmp_path_factory):
    """Stable Audio 3's classes with random weights."""
    from diffusers import AutoencoderSAME, FlowMatchEulerDiscreteScheduler, StableAudio3DiTModel, StableAudio3Pipeline
    from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
    from transformers import T5GemmaConfig, T5GemmaEncoderModel
    from transformers.models.t5gemma.configuration_t5gemma import T5GemmaModuleConfig

    torch.manual_seed(0)
    part = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    text = T5GemmaConfig(
        encoder=T5GemmaModuleConfig(**part),
        decoder=T5GemmaModuleConfig(**part),
        is_encoder_decoder=False,
        vocab_size=64,
    )
    pipeline = StableAudio3Pipeline(
        vae=AutoencoderSAME(
            audio_channels=2,
            patch_size=16,
            encoder_channels=16,
            encoder_c_mults=(1,),
            encoder_strides=(2,),
            encoder_transformer_depths=(1,),
            latent_dim=8,
            dim_heads=8,
            sampling_rate=8000,
            encoder_sinusoidal_blocks=(0,),
            decoder_sinusoidal_blocks=(0,),
        ),
        text_encoder=T5GemmaEncoderModel(text),
        tokenizer=make_tokenizer(["drum", "kick"]),
        duration_embedder=StableAudio3DurationEmbedder(output_dim=16, fourier_dim=16),
        transformer=StableAudio3DiTModel(
            io_channels=8,
            embed_dim=16,
            depth=1,
            num_heads=2,
            cond_token_dim=16,
            global_cond_dim=16,
            local_add_cond_dim=9,
            timestep_features_dim=16,
            num_memory_tokens=2,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    # its residual branches start at zero, which would make every gradient zero
    for part in (pipeline.vae, pipeline.transformer):
        for parameter in part.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("three")
    pipeline.save_pretrained(folder)
    return folder


def check_contract(prior, prompt):
    length = prior.hop_length * 32
    x = 0.1 * torch.randn(2, prior.channels, length, generator=torch.Generator().manual_seed(1))
    z = prior.encode(x)
    assert z.shape == (2, prior.latent_channels, 32)
    assert prior.decode(z).shape == x.shape
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(prior.encode(leaf).square().sum(), leaf)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    one, none = prior.embed(prompt, 1.0), prior.embed(None, 1.0)
    t = torch.tensor([0.3, 0.6])
    with torch.no_grad():
        a, b = prior.denoise(z, t, one.expand(2)), prior.denoise(z, t, none.expand(2))
        together = prior.denoise(torch.cat([z, z]), torch.cat([t, t]), one.expand(2).then(none.expand(2)))
    assert a.shape == z.shape
    assert not torch.allclose(a, b)
    assert torch.allclose(together, torch.cat([a, b]), atol=1e-4)
    odds = torch.tensor([0.05, 1.0, 100.0])
    alpha, sigma = prior.alpha_sigma(prior.time_at(odds))
    assert torch.allclose((sigma / alpha).flatten(), odds, rtol=1e-3)


def test_stable_audio_open_contract(open_folder):
    check_contract(catalog.load(str(open_folder)), "kick drum")


@pytest.mark.parametrize("t", TIMES)
def test_open_denoise_agrees_with_the_schedulers_own_conversion(open_folder, t):
    """precondition_outputs works on z/c_in, the variance-exploding sample: x̂₀ must be the same."""
    import math

    prior = catalog.load(str(open_folder))
    scheduler = prior.pipeline.scheduler
    sigma = torch.tensor(math.tan(math.pi * t / 2))
    assert scheduler.precondition_noise(sigma).item() == pytest.approx(t, abs=1e-6)
    z = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(2))
    condition = prior.embed("kick drum", 1.0)
    found = prior.denoise(z, torch.tensor([t]), condition)
    alpha, s = prior.alpha_sigma(torch.tensor([t]))
    v = (alpha * z - found) / s
    exploding = z / scheduler._get_conditioning_c_in(sigma)
    wanted = scheduler.precondition_outputs(exploding, v, sigma)
    assert torch.allclose(found, wanted, atol=1e-3)
    assert torch.allclose(scheduler.precondition_inputs(exploding, sigma), z, atol=1e-5)


def test_the_pipeline_hears_the_same_condition(open_folder):
    """Our embedding and v are what StableAudioPipeline's own first step computes."""
    prior = catalog.load(str(open_folder))
    caught = {}

    def catch(module, args, kwargs, output):
        caught.setdefault("z", args[0])
        caught.setdefault("t", args[1])
        caught.setdefault("v", output[0])

    hook = prior.pipeline.transformer.register_forward_hook(catch, with_kwargs=True)
    try:
        prior.pipeline("kick drum", num_inference_steps=2, guidance_scale=4.0, audio_end_in_s=0.06)
    finally:
        hook.remove()
    z, t = caught["z"], caught["t"]
    # the pipeline puts the unconditional half first
    for half, prompt in ((0, None), (1, "kick drum")):
        found = prior.denoise(z[half : half + 1], t[:1], prior.embed(prompt, 0.06))
        alpha, sigma = prior.alpha_sigma(t[:1])
        wanted = alpha * z[half : half + 1] - sigma * caught["v"][half : half + 1]
        assert torch.allclose(found, wanted, atol=1e-4)


def test_stable_audio_3_contract(three_folder):
    check_contract(catalog.load(str(three_folder)), "kick drum")


@pytest.mark.parametrize("t", TIMES)
def test_three_denoise_agrees_with_the_schedulers_step_to_zero(three_folder, t):
    """One Euler step from σ = t to 0 is the scheduler's own x̂₀."""
    prior = catalog.load(str(three_folder))
    z = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(3))
    condition = prior.embed("kick drum", 1.0)
    found = prior.denoise(z, torch.tensor([t]), condition)
    velocity = (z - found) / t
    scheduler = prior.pipeline.scheduler
    scheduler.set_timesteps(sigmas=[t])
    wanted = scheduler.step(velocity, scheduler.timesteps[0], z).prev_sample
    assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nonsense", "unknown; there are: starter"),
        ("./no/such/folder", "unknown"),
        ("/no/such/folder", "unknown"),
        ("stable-audio-open", "hub can't be reached|access refused|not on this machine"),
        ("someone/no-such-model", "hub can't be reached|access refused|not on this machine"),
    ],
)
def test_missing_priors_say_what_to_do(name, says):
    with pytest.raises(PriorError, match=says) as caught:
        catalog.load(name)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_pipeline(tmp_path):
    with pytest.raises(PriorError, match=r"model_index\.json"):
        catalog.load(str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(PriorError, match="StableDiffusionPipeline"):
        catalog.load(str(tmp_path))
