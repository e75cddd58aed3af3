"""Checkpoints: all that a training is between two epochs, in one safetensors file, without pickle."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunus.errors import InputError, StoreError
from prunus.store import write_atomically
from prunus.train.shrinking import narrow, widen
from prunus.train.state import EpochResult, TrainingState

FORMAT = 3
EPOCHS = TypeAdapter(list[EpochResult])
UNREADABLE = (
    InputError, SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError,
    MemoryError,
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
    text = json.dumps(header)
    metadata = {"prunus": text, "checksum": _checksum(text, contiguous)}
    write_atomically(path, safetensors.torch.save(contiguous, metadata))


def load_checkpoint(path: Path, state: TrainingState, trial: str) -> None:
    """Put a fresh state where the checkpoint was. Raises `StoreError` if the file is damaged or not this trial's."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            header = json.loads(metadata["prunus"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        if (header["format"], header["trial"]) != (FORMAT, trial):
            raise ValueError("it belongs to another trial or another version of prunus")
        if metadata["checksum"] != _checksum(metadata["prunus"], tensors):
            raise ValueError("its content is not what was written")
        epochs = EPOCHS.validate_json(json.dumps(header["epochs"]), strict=True)
        state.pruner.load_state_dict(_part(tensors, "pruner/"))
        narrow(state)
        state.model.load_state_dict(_part(tensors, "model/"))
        _load_optimizer(state.optimizer, header, tensors)
        state.epochs = epochs
    except UNREADABLE as error:
        why = error.why if isinstance(error, InputError) else str(error)
        raise StoreError(f"The checkpoint {path} cannot be used", why, "delete it; the trial starts anew") from None
    _match_layout(state.optimizer)
    widen(state)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """Of the header and every byte of every tensor: a disk that spoiled one is found out."""
    found = zlib.crc32(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def _load_optimizer(optimizer: torch.optim.Optimizer, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Take in the settings that a fresh one has, and slots of the shapes of its parameters."""
    fresh = json.loads(json.dumps(optimizer.state_dict()["param_groups"]))  # which has no tuples
    groups = header["optimizer_groups"]
    if [_but_for_its_rate(group) for group in groups] != [_but_for_its_rate(group) for group in fresh]:
        raise ValueError("its optimiser has other settings")
    parameters = {
        index: parameter
        for saved, group in zip(fresh, optimizer.param_groups, strict=True)
        for index, parameter in zip(saved["params"], group["params"], strict=True)
    }
    state: dict[int, dict[str, Any]] = {int(index): dict(slots) for index, slots in header["optimizer_numbers"].items()}
    for name, tensor in _part(tensors, "optimizer/").items():
        index, slot = name.split("/", 1)
        parameter = parameters[int(index)]
        expected = ((), torch.float32) if slot == "step" else (tuple(parameter.shape), parameter.dtype)
        if (tuple(tensor.shape), tensor.dtype) != expected:  # fused optimisers do not look
            raise ValueError(f"{name} is {tensor.dtype} of the shape {tuple(tensor.shape)}")
        state.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _but_for_its_rate(group: dict[str, Any]) -> dict[str, Any]:
    """The settings of a group of parameters; the learning rate, which a schedule changes, only has to be a number."""
    return {**group, "lr": type(group["lr"])}


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Files hold tensors in plain order; fused optimisers want their state laid out as the parameter is."""
    for parameter, slots in optimizer.state.items():
        for slot, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[slot] = torch.empty_like(parameter).copy_(value)
