"""torch for tracks that are rendered beside one another."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread_a_track() -> Iterator[None]:
    """torch, loaded if it wasn't, takes one thread for what it does; before and after as many as it was told."""
    if "torch" not in sys.modules:
        _load_torch()
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load_torch() -> None:
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages for minutes of sound; read when torch is loaded
    collects = gc.isenabled()
    gc.disable()  # nothing of what imports make is garbage, and looking for it takes a sixth of their time
    try:
        importlib.import_module("sds_bridge.tasks.render")
    finally:
        if collects:
            gc.enable()
