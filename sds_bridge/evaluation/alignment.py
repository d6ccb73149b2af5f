"""How well a sound fits a text: cosine similarity under LAION-CLAP where its weights are on this machine,
under the bundled judge otherwise. Every score says which of the two gave it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sds_bridge.audio import resample

CLAP = "laion/clap-htsat-unfused"
CLAP_RATE = 48000
JUDGE = Path(__file__).parent.parent / "starter" / "weights" / "judge"


@dataclass(frozen=True)
class Alignment:
    """``score`` is a cosine similarity in −1…1; scores of different judges can't be compared."""

    score: float
    judge: str


@lru_cache(maxsize=1)
def _clap() -> Any | None:
    from huggingface_hub import try_to_load_from_cache

    folder = os.environ.get("SDS_BRIDGE_CLAP", CLAP)
    if not Path(folder).is_dir() and not isinstance(try_to_load_from_cache(folder, "config.json"), str):
        return None
    from transformers import ClapModel, ClapProcessor

    try:
        model = ClapModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        return model, ClapProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _judge() -> Any:
    from sds_bridge.starter.judge import Judge

    return Judge.load(JUDGE)


@torch.no_grad()
def alignment(samples: np.ndarray, rate: int, prompt: str) -> Alignment:
    """Score a clip against a text.

    Args:
        samples: ``[channels, length]`` float32.
        rate: Hz.
    """
    mono = samples.mean(0, keepdims=True)
    clap = _clap()
    if clap is not None:
        model, processor = clap
        inputs = processor(
            text=[prompt],
            audio=resample(mono, rate, CLAP_RATE)[0],
            sampling_rate=CLAP_RATE,
            return_tensors="pt",
            padding=True,
        )
        out = model(**inputs)
        return Alignment(float(torch.cosine_similarity(out.audio_embeds, out.text_embeds)[0]), f"LAION-CLAP ({CLAP})")
    from sds_bridge.starter.judge import RATE

    audio = torch.from_numpy(np.ascontiguousarray(resample(mono, rate, RATE)))
    judge = _judge()
    return Alignment(float((judge.embed_audio(audio) @ judge.embed_text([prompt]).T)[0, 0]), "bundled judge")
