"""The sounds that the bundled starter was trained on. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

CLASSES = Path(__file__).parent.parent / "starter" / "weights" / "classes.json"


def known_sounds() -> list[str]:
    """Class names, best covered first."""
    counts: dict[str, int] = json.loads(CLASSES.read_text())
    return sorted(counts, key=lambda name: (-counts[name], name))
