"""Training of the judge, resumable like the diffusion model's."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from sds_bridge.starter import captions, checkpoint, corpus, variations
from sds_bridge.starter.judge import Judge, contrastive_loss


def features_of(
    clips: list[corpus.Clip], words: list[tuple[str, ...]], judge: Judge, work: Path, seed: int
) -> np.ndarray:
    """Log-mel of every clip and variation, ``[clips, variations, 64, 128]`` fp16, cached in ``work``."""
    cache = work / "judge-features.npy"
    shape = (len(clips), variations.VARIATIONS, 64, 128)
    if cache.exists() and (kept := np.load(cache, mmap_mode="r", allow_pickle=False)).shape == shape:
        return np.asarray(kept)
    writing = work / "judge-features.writing.npy"
    features = np.lib.format.open_memmap(writing, "w+", np.float16, shape)
    for i, clip in enumerate(track(clips, "judge features")):
        rng = np.random.default_rng([seed, i, 7])
        audio = np.stack([variations.vary(clip, words[i], n, rng).audio for n in range(variations.VARIATIONS)])
        with torch.no_grad():
            features[i] = judge.log_mel(torch.from_numpy(audio))[:, 0].numpy().astype(np.float16)
    features.flush()
    writing.rename(cache)
    return np.load(cache, allow_pickle=False)


def train(folder: Path, work: Path, output: Path, steps: int, batch: int = 128, seed: int = 0) -> dict[str, float]:
    """Train or resume; writes ``output`` and returns the top-5 rate of clips held out, by class name."""
    work.mkdir(parents=True, exist_ok=True)
    clips = corpus.load(folder)
    training = [c for c in clips if not c.held_out]
    held_out = [c for c in clips if c.held_out]
    vocabulary = captions.vocabulary([c.caption for c in clips] + [c.label for c in clips], variations.ATTRIBUTES)
    torch.manual_seed(seed)
    judge = Judge(vocabulary)
    words = variations.describe(training)
    features = features_of(training, words, judge, work, seed)
    weights = corpus.class_weights(training)
    labels = np.unique([c.label for c in training], return_inverse=True)[1]
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    ema = {k: v.detach().clone() for k, v in judge.state_dict().items()}
    saved = work / "judge-checkpoint.safetensors"
    done = checkpoint.load(saved, judge, ema, optimiser) if saved.exists() else 0
    log = open(work / "judge-losses.csv", "a", buffering=1)
    last, average = time.monotonic(), 0.0
    for step in range(done, steps):
        rng = np.random.default_rng([seed, 2, step])
        rows = rng.choice(len(training), batch, p=weights)
        which = rng.integers(variations.VARIATIONS, size=batch)
        texts = [captions.vary(training[r].caption, training[r].label, words[r], rng) for r in rows]
        x = torch.from_numpy(features[rows, which].astype(np.float32))[:, None]
        x = torch.roll(x, int(rng.integers(-3, 4)), 2) + 0.03 * torch.randn(
            x.shape, generator=torch.Generator().manual_seed(step)
        )
        judge.train()
        same = torch.from_numpy(labels[rows][:, None] == labels[rows][None])
        loss = contrastive_loss(judge.embed_features(x), judge.embed_text(texts), judge.log_scale, same)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        optimiser.step()
        with torch.no_grad():
            for key, value in judge.state_dict().items():
                ema[key].lerp_(value, 0.005) if value.is_floating_point() else ema[key].copy_(value)
        average += loss.item()
        if (step + 1) % 50 == 0:
            log.write(f"{step + 1},{average / 50:.4f}\n")
            average = 0.0
        if time.monotonic() - last > 120 or step + 1 == steps:
            checkpoint.save(saved, judge, ema, optimiser, step + 1)
            last = time.monotonic()
    judge.load_state_dict(ema)
    judge.eval()
    judge.save(output)
    return {
        "steps": steps,
        "held_out_top5": top_rate(judge, held_out, 5),
        "held_out_top1": top_rate(judge, held_out, 1),
    }


@torch.no_grad()
def top_rate(judge: Judge, clips: list[corpus.Clip], k: int) -> float:
    """Share of clips whose class name is among the ``k`` class names nearest to the sound."""
    names = sorted({c.label for c in clips})
    text = judge.embed_text(names)
    audio = torch.cat([judge.embed_audio(torch.from_numpy(c.audio)[None]) for c in clips])
    nearest = (audio @ text.T).topk(min(k, len(names)), 1).indices
    return float(
        np.mean([clip.label in [names[i] for i in row] for clip, row in zip(clips, nearest.tolist(), strict=True)])
    )
