"""``python -m sds_bridge.starter.train diffusion|judge CORPUS``: makes the bundled weights.

Both commands resume from their checkpoints in ``--work`` after a kill. With no checkpoint, ``diffusion`` goes on
from the weights in ``--output`` unless ``--fresh`` is given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from sds_bridge.starter import model_card

WEIGHTS = Path(__file__).parent / "weights"
app = typer.Typer(help="Train the starter prior and its judge.", no_args_is_help=True, add_completion=False)
Corpus = Annotated[Path, typer.Argument(help="folder with manifest.csv and the audio (or its tar files)", exists=True)]
Work = Annotated[Path, typer.Option(help="checkpoints, caches and losses")]
Output = Annotated[Path, typer.Option(help="where the weights go")]


@app.command()
def diffusion(
    corpus: Corpus,
    work: Work = Path("starter-training"),
    output: Output = WEIGHTS,
    steps: Annotated[int, typer.Option(help="steps in all")] = 30_000,
    batch: int = 32,
    seed: int = 0,
    learning_rate: float = 6e-4,
    fresh: Annotated[bool, typer.Option("--fresh", help="start anew instead of from the weights in --output")] = False,
) -> None:
    """Train the text-to-audio diffusion model."""
    from sds_bridge.starter.diffusion import Settings, train

    torch.set_flush_denormal(True)
    start = output if (output / "model_index.json").exists() and not fresh else None
    train(corpus, work, output, Settings(steps=steps, batch=batch, seed=seed, learning_rate=learning_rate), start)
    model_card.write(corpus, work, output)


@app.command()
def judge(
    corpus: Corpus,
    work: Work = Path("starter-training"),
    output: Output = WEIGHTS / "judge",
    steps: int = 3000,
    batch: int = 128,
    seed: int = 0,
) -> None:
    """Train the judge."""
    from sds_bridge.starter.judge_training import train

    torch.set_flush_denormal(True)
    typer.echo(train(corpus, work, output, steps, batch, seed))


@app.command()
def card(corpus: Corpus, work: Work = Path("starter-training"), output: Output = WEIGHTS) -> None:
    """Write the model card and the attribution from the manifest, the losses and ``evaluation.json``."""
    model_card.write(corpus, work, output)


if __name__ == "__main__":
    app()
