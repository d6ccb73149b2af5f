"""Training of the starter's diffusion model: text encoder, projection and transformer together.

v-prediction on the cosine path of Stable Audio Open: z_t = α x + σ ε with α = cos(πt/2), σ = sin(πt/2) and
target v = α ε − σ x. Prompt dropout zeroes the whole cross-attention input, as ``StableAudioPipeline`` does for its
unconditional branch.

Noise levels
------------
A latent has 4096 numbers that agree about a sound's gist (level, envelope, pitch), so the gist can be read in z until
σ/α is far above 1: a prompt says something that z doesn't only at t ≈ 0.8–0.98. Hence most draws have
log(σ/α) ~ N(log 6, 1.1²), the rest a uniform t for the detail.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableAudioPipeline
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from rich.progress import track

from sds_bridge.starter import captions, checkpoint, corpus, variations
from sds_bridge.starter.architecture import SECONDS, make_pipeline


@dataclass(frozen=True)
class Settings:
    steps: int
    batch: int = 32
    learning_rate: float = 6e-4
    warm_up: int = 300
    decay_share: float = 0.25
    prompt_dropout: float = 0.12
    unknown_word: float = 0.03
    ema: float = 0.999
    gist_share: float = 0.6
    seed: int = 0
    bf16: bool = True
    whitening: float = 0.5
    checkpoint_seconds: float = 300.0
    procedural_per_class: int = 24


class Conditional(torch.nn.Module):
    """The trained parts as one module: ``(z, t, token ids, mask, keep)`` → v."""

    def __init__(self, pipeline: StableAudioPipeline) -> None:
        super().__init__()
        self.text_encoder = pipeline.text_encoder
        self.projection_model = pipeline.projection_model
        self.transformer = pipeline.transformer
        frames = pipeline.transformer.config.sample_size
        cos, sin = get_1d_rotary_pos_embed(
            pipeline.rotary_embed_dim, frames + 1, use_real=True, repeat_interleave_real=False
        )
        self.register_buffer("rotary_cos", cos, persistent=False)
        self.register_buffer("rotary_sin", sin, persistent=False)

    def forward(
        self, z: torch.Tensor, t: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, keep: torch.Tensor
    ) -> torch.Tensor:
        """Shapes: z ``[B, C, L]``, t ``[B]``, ids and mask ``[B, W]``, keep ``[B]`` (0 drops the prompt)."""
        text = self.text_encoder(ids, attention_mask=mask)[0]
        seconds = torch.tensor([SECONDS], device=z.device).expand(len(z))
        projected = self.projection_model(text, torch.zeros_like(seconds), seconds)
        text = projected.text_hidden_states * mask[..., None]
        start, end = projected.seconds_start_hidden_states, projected.seconds_end_hidden_states
        cross = torch.cat([text, start, end], 1) * keep[:, None, None]
        return self.transformer(
            z,
            t,
            encoder_hidden_states=cross,
            global_hidden_states=torch.cat([start, end], 2),
            rotary_embedding=(self.rotary_cos, self.rotary_sin),
            return_dict=False,
        )[0]


@dataclass
class Dataset:
    """Latents of every training clip and variation, ``[clips, variations, C, L]`` fp16, with their captions."""

    latents: np.ndarray
    captions: list[str]
    labels: list[str]
    words: list[list[tuple[str, ...]]]
    weights: np.ndarray


def prepare(
    folder: Path, work: Path, pipeline_folder: Path | None, settings: Settings
) -> tuple[Dataset, StableAudioPipeline]:
    """Load the corpus, make the pipeline (or go on from a saved one) and encode every variation."""
    clips = corpus.load(folder, settings.procedural_per_class)
    train = [c for c in clips if not c.held_out]
    if pipeline_folder is None:
        vocabulary = captions.vocabulary([c.caption for c in clips] + [c.label for c in clips], variations.ATTRIBUTES)
        pipeline = make_pipeline(vocabulary, settings.seed)
        dry = torch.from_numpy(np.stack([c.audio for c in train]))
        pipeline.vae.fit_normalisation(dry, settings.whitening)
    else:
        pipeline = StableAudioPipeline.from_pretrained(
            pipeline_folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
    codec, frames = pipeline.vae, pipeline.transformer.config.sample_size
    cache = work / "latents.npy"
    meta = work / "latents.json"
    shape = (len(train), variations.VARIATIONS, codec.channels, frames)
    key = [list(shape), codec.mean.sum().item(), codec.scale.sum().item()]
    adjectives = variations.describe(train)
    if not (meta.exists() and json.loads(meta.read_text())["key"] == key):
        latents = np.lib.format.open_memmap(cache, "w+", np.float16, shape)
        words: list[list[tuple[str, ...]]] = []
        for i, clip in enumerate(track(train, "encoding")):
            rng = np.random.default_rng([settings.seed, i])
            varied = [variations.vary(clip, adjectives[i], n, rng) for n in range(variations.VARIATIONS)]
            with torch.no_grad():
                audio = torch.from_numpy(np.stack([v.audio for v in varied]))[:, None]
                latents[i] = codec.encode(audio).latent_dist.mode().numpy().astype(np.float16)
            words.append([v.words for v in varied])
        latents.flush()
        meta.write_text(json.dumps({"key": key, "words": words}))
    words = [[tuple(w) for w in row] for row in json.loads(meta.read_text())["words"]]
    latents = np.load(cache, allow_pickle=False)
    weights = corpus.class_weights(train)
    return Dataset(latents, [c.caption for c in train], [c.label for c in train], words, weights), pipeline


def batch_of(data: Dataset, pipeline: StableAudioPipeline, settings: Settings, step: int) -> tuple[torch.Tensor, ...]:
    """Step ``step``'s batch: a function of seed and step alone, so that a resumed run sees the same data."""
    rng = np.random.default_rng([settings.seed, 1, step])
    rows = rng.choice(len(data.weights), settings.batch, p=data.weights)
    which = rng.choice(data.latents.shape[1], settings.batch, p=[0.3, 0.25, 0.15, 0.15, 0.15])
    x = torch.from_numpy(data.latents[rows, which].astype(np.float32))
    texts = []
    for row, n in zip(rows, which, strict=True):
        text = captions.vary(data.captions[row], data.labels[row], data.words[row][n], rng).split()
        texts.append(" ".join("zzunknown" if rng.random() < settings.unknown_word else w for w in text))
    tokens = pipeline.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    noise = torch.randn(x.shape, generator=generator)
    strata = (torch.randperm(len(x), generator=generator) + torch.rand(len(x), generator=generator)) / len(x)
    t = noise_level(strata, settings.gist_share)
    keep = (torch.rand(len(x), generator=generator) >= settings.prompt_dropout).float()
    return x, noise, t, tokens["input_ids"], tokens["attention_mask"], keep


def noise_level(strata: torch.Tensor, gist_share: float) -> torch.Tensor:
    """Uniform numbers in 0…1 → t: the lowest ``gist_share`` of them log-normally in σ/α, the rest uniformly."""
    gist = (strata / gist_share).clamp(1e-4, 1 - 1e-4)
    odds = torch.exp(math.log(6.0) + 1.1 * torch.special.ndtri(gist))
    uniform = (strata - gist_share) / (1 - gist_share)
    t = torch.where(strata < gist_share, odds.atan() * 2 / math.pi, uniform)
    return t.clamp(1e-3, 1 - 1e-3)


def learning_rate(settings: Settings, step: int, first: int = 0) -> float:
    """Warm-up from step ``first``, plateau, then a cosine to zero over the last ``decay_share`` of the steps left."""
    start = settings.steps - (settings.steps - first) * settings.decay_share
    falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, max(0.0, (step - start) / max(1.0, settings.steps - start))))
    return settings.learning_rate * min(1.0, (step - first + 1) / settings.warm_up) * falling


def steps_done(folder: Path) -> int:
    """How many steps the weights in a pipeline's folder have had, by its ``training.json``; 0 for new ones."""
    record = folder / "training.json"
    return json.loads(record.read_text())["diffusion"]["steps"] if record.exists() else 0


def train(
    folder: Path, work: Path, output: Path, settings: Settings, start_from: Path | None = None
) -> dict[str, float]:
    """Train, or resume, and write the pipeline's folder with averaged weights in fp16.

    Args:
        folder: corpus folder.
        work: cache, ``checkpoint.safetensors`` and ``losses.csv`` live here; the same folder resumes.
        start_from: a saved pipeline to go on from when ``work`` has no checkpoint.
    """
    work.mkdir(parents=True, exist_ok=True)
    initial = work / "initial"
    if not initial.exists():
        _, pipeline = prepare(folder, work, start_from, settings)
        pipeline.save_pretrained(initial)
        if start_from is not None and (start_from / "training.json").exists():
            shutil.copy(start_from / "training.json", initial)
    data, pipeline = prepare(folder, work, initial, settings)
    model = Conditional(pipeline)
    model.train()
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
    saved = work / "checkpoint.safetensors"
    begun_at = steps_done(initial)
    step = checkpoint.load(saved, model, ema, optimiser) if saved.exists() else begun_at
    log = open(work / "losses.csv", "a", buffering=1)
    last_save, began, average, counted = time.monotonic(), time.monotonic(), 0.0, 0
    first = step
    live = model.state_dict()
    averaged = [k for k, v in live.items() if v.is_floating_point()]
    live_values, ema_values = [live[k] for k in averaged], [ema[k] for k in averaged]
    while step < settings.steps:
        x, noise, t, ids, mask, keep = batch_of(data, pipeline, settings, step)
        alpha, sigma = torch.cos(t * math.pi / 2)[:, None, None], torch.sin(t * math.pi / 2)[:, None, None]
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            v = model(alpha * x + sigma * noise, t, ids, mask, keep)
        loss = (v.float() - (alpha * noise - sigma * x)).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, begun_at)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(ema_values, live_values, 1 - decay)
        step += 1
        average, counted = average + loss.item(), counted + 1
        if step % 50 == 0:
            pace = (time.monotonic() - began) / (step - first)
            log.write(f"{step},{average / counted:.5f},{learning_rate(settings, step, begun_at):.2e},{pace:.3f}\n")
            average, counted = 0.0, 0
        if time.monotonic() - last_save > settings.checkpoint_seconds or step == settings.steps:
            checkpoint.save(saved, model, ema, optimiser, step)
            export(work, output)
            last_save = time.monotonic()
    return {"steps": step}


def export(work: Path, output: Path) -> None:
    """Write the averaged weights of ``work``'s checkpoint as a pipeline folder in fp16."""
    from safetensors import safe_open

    pipeline = StableAudioPipeline.from_pretrained(
        work / "initial", dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    model = Conditional(pipeline)
    with safe_open(work / "checkpoint.safetensors", "pt") as file:
        model.load_state_dict({k: file.get_tensor(f"ema.{k}") for k in model.state_dict()})
    for part in (pipeline.text_encoder, pipeline.projection_model, pipeline.transformer):
        part.to(torch.float16)
    pipeline.save_pretrained(output)
