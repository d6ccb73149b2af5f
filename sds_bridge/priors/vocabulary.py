"""Which words of a prompt a prior knows, read from its tokenizer's file: no torch, nothing loaded."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from sds_bridge.priors.catalog import ENTRIES
from sds_bridge.starter.captions import STOP_WORDS, words


def known_words(prior: str, prompt: str) -> tuple[list[str], list[str]] | None:
    """The prompt's words that the prior knows and those that it doesn't, stop words left out.

    ``prior`` is a catalogue name. None for a prior that spells any word, or that can't tell without being loaded.
    """
    entry = ENTRIES.get(prior)
    vocabulary = None if entry is None else _vocabulary(Path(entry.source) / "tokenizer" / "tokenizer.json")
    if vocabulary is None:
        return None
    asked = [word for word in words(prompt) if word not in STOP_WORDS]
    return [w for w in asked if w in vocabulary], [w for w in asked if w not in vocabulary]


@lru_cache(maxsize=4)
def _vocabulary(file: Path) -> frozenset[str] | None:
    if not file.is_file():
        return None
    model = json.loads(file.read_text("utf-8"))["model"]
    return frozenset(model["vocab"]) if model["type"] == "WordLevel" else None
