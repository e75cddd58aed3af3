"""Checkpoints: all that a training is between two epochs, in one safetensors file, without pickle."""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunus.errors import InputError, StoreError
from prunus.store import write_atomically
from prunus.train.hidden_state import hidden_state, restore_hidden
from prunus.train.object_state import Loader, Node, NotRestorableError, Saver
from prunus.train.shrinking import narrow, widen
from prunus.train.state import EpochResult, TrainingState

HEADER = "header"
"""The name of the tensor that holds what is no tensor, as JSON: safetensors' own header must stay below 100 MB."""

FORMAT = 5
UNREADABLE = (
    InputError, NotRestorableError, SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError,
    AttributeError, RuntimeError, MemoryError, RecursionError,
)  # fmt: skip


def save_checkpoint(path: Path, state: TrainingState, trial: str) -> None:
    """Write weights, buffers, optimiser, masks, epochs and hidden state; the old one stays until the new one is whole.

    The generators of the loop need no place in it: every epoch seeds its own (`prunus.train.seeds`).
    Raises `NotRestorableError` where a network's attributes lead to what cannot be walked through.
    """
    write_atomically(path, checkpoint_bytes(state, trial))


def checkpoint_bytes(state: TrainingState, trial: str) -> bytes:
    """The content of a checkpoint's file."""
    header, tensors = _parts(state)
    text = json.dumps({"format": FORMAT, "trial": trial, **header})
    tensors[HEADER] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    return safetensors.torch.save(tensors, {"checksum": _checksum(tensors)})


def fingerprint(state: TrainingState) -> dict[str, str]:
    """What a checkpoint would hold, each part by name and in brief: two trainings that are alike have equal ones."""
    header, tensors = _parts(state)
    found = {name: _checksum({name: tensor}) for name, tensor in tensors.items() if name != "epochs/seconds"}
    found |= {f"hidden/{path}": json.dumps(node) for path, node in header["hidden"].items()}
    return found | {"optimizer": json.dumps([header["optimizer_groups"], header["optimizer_numbers"]])}


def _parts(state: TrainingState) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What is no tensor, and all tensors, on the CPU."""
    nodes, hidden = hidden_state(state)
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"pruner/{name}": tensor for name, tensor in state.pruner.state_dict().items()}
    tensors |= {f"hidden/{name}": tensor for name, tensor in hidden.items()}
    kept = _objects(state)
    tensors |= {f"objects/{path}": tensor for path, tensor in kept.tensors.items()}
    tensors |= {f"epochs/{name}": column for name, column in _columns(state.epochs).items()}
    optimizer = state.optimizer.state_dict()
    numbers: dict[str, dict[str, Any]] = {}
    for index, slots in optimizer["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{slot}"] = value
            else:
                numbers.setdefault(str(index), {})[slot] = value
    header = {"optimizer_groups": optimizer["param_groups"], "optimizer_numbers": numbers, "hidden": nodes}
    if kept.nodes:
        header |= {"objects": kept.nodes}
    return header, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _objects(state: TrainingState) -> Saver:
    """The `state_dict`s of the objects of a user's own loop, written down."""
    saver = Saver({}, {}, {})
    for name, one in state.objects.items():
        saver.save(name, one.state_dict())
    _load_objects(saver.nodes, saver.tensors)  # what could not be read again is told now
    return saver


def _load_objects(nodes: dict[str, Node], tensors: dict[str, Tensor]) -> dict[str, Any]:
    loader = Loader(nodes, tensors, {})
    return {path: loader.load(path) for path in nodes if path.isidentifier()}


def load_checkpoint(source: Path | bytes, state: TrainingState, trial: str) -> None:
    """Put a fresh state where the checkpoint was. Raises `StoreError` if it is damaged or not this trial's.

    source: the file, or its content.
    """
    try:
        header, tensors = _read(source)
        if (header["format"], header["trial"]) != (FORMAT, trial):
            raise ValueError("it belongs to another trial or another version of prunus")
        epochs = _epochs(_part(tensors, "epochs/"))
        state.pruner.load_state_dict(_part(tensors, "pruner/"))
        narrow(state)
        state.model.load_state_dict(_part(tensors, "model/"))
        _load_optimizer(state.optimizer, header, tensors)
        widen(state)
        state.pruner.look_at_weights()
        restore_hidden(state, header["hidden"], _part(tensors, "hidden/"))
        state.epochs = epochs
        state.saved_objects = _load_objects(header.get("objects", {}), _part(tensors, "objects/"))
    except UNREADABLE as error:
        name = source if isinstance(source, Path) else "that was kept"
        why = f"{error.what}, and {error.why}" if isinstance(error, NotRestorableError) else _why(error)
        raise StoreError(f"The checkpoint {name} cannot be used", why, "delete it; the trial starts anew") from None
    _match_layout(state.optimizer)


def _why(error: BaseException) -> str:
    return error.why if isinstance(error, InputError) else str(error)


def _read(source: Path | bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if isinstance(source, bytes):
        length = int.from_bytes(source[:8], "little")
        checksum = json.loads(source[8 : 8 + length])["__metadata__"]["checksum"]
        tensors = safetensors.torch.load(source)
    else:
        with safe_open(source, framework="pt") as file:
            checksum = file.metadata()["checksum"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    if checksum != _checksum(tensors):
        raise ValueError("its content is not what was written")
    return json.loads(tensors.pop(HEADER).numpy().tobytes()), tensors


COLUMNS = {
    field.name: torch.int64 if str(field.type).startswith("int") else torch.float64 for field in fields(EpochResult)
}
NOT_COUNTED = -1
"""What stands for a number of answers where the task counts none."""


def _columns(epochs: list[EpochResult]) -> dict[str, Tensor]:
    """One tensor per field: a training may have millions of epochs."""
    return {
        name: torch.tensor([_number(getattr(result, name)) for result in epochs], dtype=dtype)
        for name, dtype in COLUMNS.items()
    }


def _number(value: float | None) -> float:
    return NOT_COUNTED if value is None else value


def _epochs(columns: dict[str, Tensor]) -> list[EpochResult]:
    if {name: column.dtype for name, column in columns.items()} != COLUMNS:
        raise ValueError("its epochs have other columns")
    optional = {field.name for field in fields(EpochResult) if str(field.type).endswith("None")}
    counted = ((name, columns[name].tolist()) for name in COLUMNS)
    values = zip(
        *([None if name in optional and each < 0 else each for each in column] for name, column in counted), strict=True
    )
    return [EpochResult(*row) for row in values]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _checksum(tensors: dict[str, Tensor]) -> str:
    """A digest of every byte of every tensor: a disk that spoiled one is found out."""
    found = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(errors="surrogatepass"), found)
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
