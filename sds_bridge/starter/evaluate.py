"""``python -m sds_bridge.starter.evaluate CORPUS``: how good codec, diffusion model and judge are, on clips held out.

Top-5 rate: share of sounds whose class is among the classes of the five nearest training clips, by the judge's
audio embedding.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track

from sds_bridge.starter import corpus as corpora
from sds_bridge.starter.architecture import load_pipeline
from sds_bridge.starter.judge import Judge
from sds_bridge.starter.train import WEIGHTS


@torch.no_grad()
def embed(judge: Judge, audio: torch.Tensor) -> torch.Tensor:
    return torch.cat([judge.embed_audio(part) for part in audio.split(64)])


def nearest_rate(queries: torch.Tensor, wanted: list[str], index: torch.Tensor, labels: list[str], k: int = 5) -> float:
    nearest = (queries @ index.T).topk(k, 1).indices.tolist()
    return float(np.mean([want in [labels[i] for i in row] for want, row in zip(wanted, nearest, strict=True)]))


@torch.no_grad()
def measure(
    folder: Path, weights: Path, classes: int = 20, seeds: int = 3, steps: int = 30, tau: float = 4.0
) -> dict[str, str]:
    """Rates of real clips held out, of the same through the codec, and of samples of the best covered classes."""
    judge = Judge.load(weights / "judge")
    pipeline = load_pipeline(weights)
    pipeline.set_progress_bar_config(disable=True)
    clips = corpora.load(folder)
    training = [c for c in clips if not c.held_out]
    counts = Counter(c.label for c in training)
    held_out = [c for c in clips if c.held_out and counts[c.label] >= 20]
    index = embed(judge, torch.from_numpy(np.stack([c.audio for c in training])))
    labels = [c.label for c in training]
    audio = torch.from_numpy(np.stack([c.audio for c in held_out]))
    wanted = [c.label for c in held_out]
    real = nearest_rate(embed(judge, audio), wanted, index, labels)
    coded = []
    for part in track(audio.split(16), "codec"):
        coded.append(pipeline.vae.decode(pipeline.vae.encode(part[:, None]).latent_dist.mode()).sample[:, 0])
    through = nearest_rate(embed(judge, torch.cat(coded)), wanted, index, labels)
    best = [label for label, _ in counts.most_common(classes)]
    drawn, asked = [], []
    for label in track(best, "sampling"):
        generators = [torch.Generator().manual_seed(s) for s in range(seeds)]
        out = pipeline(
            label,
            num_inference_steps=steps,
            guidance_scale=1 + tau,
            num_waveforms_per_prompt=seeds,
            generator=generators,
        ).audios
        drawn.append(out[:, 0])
        asked += [label] * seeds
    samples = nearest_rate(embed(judge, torch.cat(drawn)), asked, index, labels)
    real_best = [i for i, w in enumerate(wanted) if w in best]
    real_rate = nearest_rate(embed(judge, audio[real_best]), [wanted[i] for i in real_best], index, labels)
    return {
        f"real clips held out ({len(held_out)}), top-5 by the judge": f"{real:.3f}",
        "the same through the codec (Griffin–Lim)": f"{through:.3f} ({through / real:.0%} of real)",
        f"real clips held out of the {classes} best covered classes": f"{real_rate:.3f}",
        f"samples of those, {seeds} seeds each, {steps} steps, τ {tau}": f"{samples:.3f} ({samples / real_rate:.0%} of real)",
    }


def main(
    corpus: Annotated[Path, typer.Argument(help="folder with manifest.csv and the audio", exists=True)],
    weights: Annotated[Path, typer.Option(help="the weights to measure")] = WEIGHTS,
) -> None:
    torch.set_flush_denormal(True)
    result = measure(corpus, weights)
    (weights / "evaluation.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for name, value in result.items():
        typer.echo(f"{name}: {value}")


if __name__ == "__main__":
    typer.run(main)
