"""Checkpoints: all that a training is between two epochs, in one safetensors file, without pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunus.errors import StoreError
from prunus.store import write_atomically
from prunus.train.shrinking import narrow, widen
from prunus.train.state import EpochResult, TrainingState

FORMAT = 2
UNREADABLE = (
    SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, MemoryError,
)  # fmt: skip


def save_checkpoint(path: Path, state: TrainingState, trial: str) -> None:
    """Write weights, buffers, optimiser, masks and epochs; the old checkpoint stays until the new one is whole.

    Generators need no place in it: every epoch seeds its own (`prunus.train.seeds`).
    """
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"pruner/{name}": tensor for name, tensor in state.pruner.state_dict().items()}
    optimizer = state.optimizer.state_dict()
    numbers: dict[str, dict[str, Any]] = {}
    for index, slots in optimizer["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{slot}"] = value
            else:
                numbers.setdefault(str(index), {})[slot] = value
    header = {
        "format": FORMAT,
        "trial": trial,
        "epochs": [asdict(result) for result in state.epochs],
        "optimizer_groups": optimizer["param_groups"],
        "optimizer_numbers": numbers,
    }
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(contiguous, {"prunus": json.dumps(header)}))


def load_checkpoint(path: Path, state: TrainingState, trial: str) -> None:
    """Put a fresh state where the checkpoint was. Raises `StoreError` if the file is damaged or not this trial's."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["prunus"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        if (header["format"], header["trial"]) != (FORMAT, trial):
            raise ValueError("it belongs to another trial or another version of prunus")
        state.pruner.load_state_dict(_part(tensors, "pruner/"))
        narrow(state)
        state.model.load_state_dict(_part(tensors, "model/"))
        state.optimizer.load_state_dict(_optimizer_state(header, tensors))
        state.epochs = [EpochResult(**result) for result in header["epochs"]]
    except UNREADABLE as error:
        raise StoreError(
            f"The checkpoint {path} cannot be used", str(error), "delete it; the trial starts anew"
        ) from None
    _match_layout(state.optimizer)
    widen(state)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(header: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(index): dict(slots) for index, slots in header["optimizer_numbers"].items()}
    for name, tensor in _part(tensors, "optimizer/").items():
        index, slot = name.split("/", 1)
        state.setdefault(int(index), {})[slot] = tensor
    return {"state": state, "param_groups": header["optimizer_groups"]}


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Files hold tensors in plain order; fused optimisers want their state laid out as the parameter is."""
    for parameter, slots in optimizer.state.items():
        for slot, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[slot] = torch.empty_like(parameter).copy_(value)
