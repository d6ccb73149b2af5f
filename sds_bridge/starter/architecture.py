"""The starter's modules, in the layout of Stable Audio Open and loaded by ``StableAudioPipeline``."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from sds_bridge.starter.captions import MAX_WORDS
from sds_bridge.starter.mel_codec import MelCodec

SECONDS = 2.048
TEXT_WIDTH = 256


def make_codec() -> MelCodec:
    """128 channels at 15.6 Hz, 32 frames a window; its ceiling on unseen clips is in the model card."""
    return MelCodec(n_fft=1536, frame_hop=384, bands=160, patch_frames=4, kept=(80, 32, 12, 4))


def make_tokenizer(vocabulary: list[str]) -> PreTrainedTokenizerFast:
    """Word-level: one token a known word, ``<unk>`` for any other, ``</s>`` at the end as T5 has it."""
    ids = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *vocabulary])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern=c, behavior="removed") for c in "-,.;:/'\"()!?_"]
        + [pre_tokenizers.WhitespaceSplit()]
    )
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_WORDS + 2,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def make_text_encoder(vocabulary_size: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary_size,
            d_model=TEXT_WIDTH,
            d_kv=64,
            d_ff=512,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def make_transformer(codec: MelCodec, layers: int = 8, heads: int = 4) -> StableAudioDiTModel:
    frames = round(SECONDS * codec.sampling_rate / codec.hop_length)
    return StableAudioDiTModel(
        sample_size=frames,
        in_channels=codec.channels,
        out_channels=codec.channels,
        num_layers=layers,
        attention_head_dim=64,
        num_attention_heads=heads,
        num_key_value_attention_heads=heads,
        cross_attention_dim=TEXT_WIDTH,
        cross_attention_input_dim=TEXT_WIDTH,
        global_states_input_dim=2 * TEXT_WIDTH,
        time_proj_dim=256,
    )


def make_pipeline(vocabulary: list[str], seed: int = 0) -> StableAudioPipeline:
    """A freshly initialised pipeline (codec normalisation still to be fitted)."""
    torch.manual_seed(seed)
    codec = make_codec()
    tokenizer = make_tokenizer(vocabulary)
    return StableAudioPipeline(
        vae=codec,
        text_encoder=make_text_encoder(len(tokenizer)),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=TEXT_WIDTH, conditioning_dim=TEXT_WIDTH, min_value=0, max_value=4
        ),
        tokenizer=tokenizer,
        transformer=make_transformer(codec),
        scheduler=CosineDPMSolverMultistepScheduler(
            sigma_min=0.03,
            sigma_max=100.0,
            sigma_data=1.0,
            sigma_schedule="exponential",
            prediction_type="v_prediction",
        ),
    )


def load_pipeline(folder: Path) -> StableAudioPipeline:
    return StableAudioPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True, use_safetensors=True)
