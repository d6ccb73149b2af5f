"""What the codec promises: exact transforms, an exact round trip where reference and target agree, gradients."""

from __future__ import annotations

import pytest
import torch

from sds_bridge.starter.mel_codec import MelCodec, dct_matrix, mel_filters


def noise(batch=1, frames=16, hop=1536, seed=0):
    return 0.2 * torch.randn(batch, 1, frames * hop, generator=torch.Generator().manual_seed(seed))


def test_shapes_and_the_vaes_interface():
    codec = MelCodec()
    z = codec.encode(noise(2, 32)).latent_dist.mode()
    assert z.shape == (2, 128, 32)
    assert codec.hop_length == 1536 and codec.sampling_rate == 24000
    assert codec.decode(z, reference=noise(2, 32)).sample.shape == (2, 1, 49152)
    assert torch.equal(codec.encode(noise()).latent_dist.sample(), codec.encode(noise()).latent_dist.mode())


def test_stft_inverts_exactly():
    codec = MelCodec()
    x = noise(2)[:, 0]
    assert torch.allclose(codec.istft(codec.stft(x)), x, atol=1e-4)


def test_the_transform_is_orthogonal_when_everything_is_kept():
    codec = MelCodec(bands=24, kept=(24, 24, 24, 24))
    mel = torch.randn(1, 24, 64)
    assert torch.allclose(codec.from_latent(codec.to_latent(mel)), mel, atol=1e-4)
    basis = dct_matrix(24)
    assert torch.allclose(basis @ basis.T, torch.eye(24), atol=1e-5)


def test_filters_are_weighted_means_that_cover_every_bin():
    filters = mel_filters(160, 1536, 24000, 20.0)
    assert torch.allclose(filters.sum(1), torch.ones(160), atol=1e-5)
    covered = filters.sum(0)[3:-1]
    assert (covered > 0).all()


def test_decoding_ones_own_mel_with_oneself_as_reference_is_the_identity():
    """With every coefficient kept the multiplicative update's ratio is 1 up to the floor."""
    codec = MelCodec(bands=160, kept=(160, 160, 160, 160), floor=1e-7)
    x = noise()
    found = codec.decode(codec.encode(x).latent_dist.mode(), reference=x).sample
    assert 10 * torch.log10((x - found).square().sum() / x.square().sum()) < -40


def test_the_target_sets_the_level_and_the_reference_the_phase():
    codec = MelCodec()
    x = noise()
    louder = codec.decode(codec.encode(3 * x).latent_dist.mode(), reference=x).sample
    assert (louder.std() / x.std()).item() == pytest.approx(3, rel=0.15)
    assert torch.cosine_similarity(louder.flatten(), x.flatten(), dim=0) > 0.9


def test_gradients_flow_to_the_latent_and_from_the_waveform():
    codec = MelCodec()
    x = noise().requires_grad_()
    z = codec.encode(x).latent_dist.mode()
    (to_wave,) = torch.autograd.grad(z.square().sum(), x)
    leaf = z.detach().requires_grad_()
    (to_latent,) = torch.autograd.grad(codec.decode(leaf, reference=x.detach()).sample.square().sum(), leaf)
    for gradient in (to_wave, to_latent):
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


def test_silence_has_finite_latents_and_gradients():
    codec = MelCodec()
    x = torch.zeros(1, 1, 1536 * 4, requires_grad=True)
    z = codec.encode(x).latent_dist.mode()
    (gradient,) = torch.autograd.grad(z.sum(), x)
    assert torch.isfinite(z).all() and torch.isfinite(gradient).all()
    assert codec.decode(z.detach()).sample.abs().max() < 1e-3


def test_wrong_shapes_say_what_is_taken():
    with pytest.raises(ValueError, match="multiple of 1536"):
        MelCodec().encode(torch.zeros(1, 1, 1000))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    codec = MelCodec()
    codec.fit_normalisation(noise(4)[:, 0], 0.5)
    codec.save_pretrained(tmp_path)
    again = MelCodec.from_pretrained(tmp_path)
    x = noise(seed=3)
    assert torch.allclose(codec.encode(x).latent_dist.mode(), again.encode(x).latent_dist.mode(), atol=1e-5)
