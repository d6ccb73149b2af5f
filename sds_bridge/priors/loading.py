"""Loading a diffusers pipeline with errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from sds_bridge.errors import PriorError


def load_pipeline(pipeline_class: Any, source: str, device: str, dtype: torch.dtype) -> Any:
    """``pipeline_class.from_pretrained`` of a folder or a hub id, frozen and in evaluation mode.

    Raises:
        PriorError: nothing there, no access to a gated model, no network, or not enough memory.
    """
    if (source.startswith((".", "/", "~")) or "\\" in source) and not Path(source).expanduser().is_dir():
        raise PriorError(
            f"prior {source!r}: no such folder. Give a folder saved with save_pretrained, or see `sds-bridge priors`."
        )
    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        pipeline = pipeline_class.from_pretrained(
            str(Path(source).expanduser()) if source[0] == "~" else source, dtype=dtype, use_safetensors=True
        )
        pipeline = pipeline.to(device)
    except torch.OutOfMemoryError:
        raise PriorError(
            f"prior {source!r}: doesn't fit in the memory of {device}. Use --device cpu, --dtype float16, or --prior starter."
        ) from None
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise PriorError(_explain(source, error)) from error
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    return pipeline


def _explain(source: str, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    text = f"{type(error).__name__} {error}".lower()
    if "gated" in text or "401" in text or "403" in text or "token" in text:
        return f"prior {source!r}: access refused. Accept its licence on its model page, then run `hf auth login`. ({first})"
    if any(
        word in text
        for word in ("offline", "connect", "resolve", "localentrynotfound", "internet", "max retries", "cached")
    ):
        return f"prior {source!r}: not on this machine and the hub can't be reached. Fetch it where there is a network, then give its folder. ({first})"
    return f"prior {source!r}: can't be loaded: {first}. `sds-bridge priors` lists what is installed."
