"""torch for tracks that are rendered beside one another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread_a_track() -> Iterator[None]:
    """torch, loaded if it wasn't, takes one thread for what it does; before and after as many as it was told."""
    # large pages for minutes of sound; read when torch is loaded
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
