"""Training checkpoints as safetensors: everything a run needs to go on exactly where it was killed."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def named(
    model: torch.nn.Module, ema: dict[str, torch.Tensor], optimiser: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{key}.{name}"] = torch.as_tensor(value)
    return tensors


def save(
    path: Path, model: torch.nn.Module, ema: dict[str, torch.Tensor], optimiser: torch.optim.Optimizer, step: int
) -> None:
    """Written beside, then renamed, so that a kill leaves the last good one."""
    beside = path.with_suffix(".writing")
    tensors = {k: v.detach().clone().contiguous() for k, v in named(model, ema, optimiser).items()}
    save_file(tensors, beside, metadata={"step": str(step)})
    os.replace(beside, path)


def load(path: Path, model: torch.nn.Module, ema: dict[str, torch.Tensor], optimiser: torch.optim.Optimizer) -> int:
    """Restore all three in place; returns the number of steps done."""
    with safe_open(path, "pt") as file:
        model.load_state_dict({k: file.get_tensor(f"model.{k}") for k in model.state_dict()})
        for key in ema:
            ema[key].copy_(file.get_tensor(f"ema.{key}"))
        stored = set(file.keys())
        for name, parameter in model.named_parameters():
            state = {key: f"adam.{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
            if all(k in stored for k in state.values()):
                optimiser.state[parameter] = {key: file.get_tensor(k) for key, k in state.items()}
        return int(file.metadata()["step"])
