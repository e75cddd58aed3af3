"""Weights in the safetensors format: names kept, shared tensors stored once, read back strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from prunus.errors import InputError, PrunusError, nearest
from prunus.export.written import WrittenFile, write_network_file

VERSION = 1
_METADATA_KEY = "prunus"  # one key alone: the order of several would not be the same from run to run


def write_safetensors(model: nn.Module, path: Path) -> WrittenFile:
    """Write the model's state and read it back.

    Of tensors that share their memory whole, the first is stored and the others are named in the metadata.
    Raises `PrunusError` where the file does not hold what the model does.
    """
    state = model.state_dict()
    shared = _shared(state)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items() if name not in shared}
    tensors = {name: tensor.clone() if _is_part(tensor) else tensor for name, tensor in tensors.items()}
    content = save(tensors, {_METADATA_KEY: json.dumps({"version": VERSION, "shared": shared}, sort_keys=True)})
    if not _holds(content, tensors):
        raise PrunusError(f"The file for {path} does not hold the model's weights", "they came back different")
    return write_network_file("safetensors", path, content, 0.0)


def read_safetensors(path: Path, model: nn.Module) -> None:
    """Load a file into a model of exactly its names, shapes and types.

    Raises `InputError` that names the file and the first tensor that does not fit; the model is then unchanged.
    """
    state = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            shared = _read_shared(file.metadata() or {})
            loaded = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"The file {path} cannot be read as safetensors", str(error), "check that the file is there and whole"
        ) from None
    for name, source in shared.items():
        if source in loaded:
            loaded[name] = loaded[source]
    _check(path, state, loaded)
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(loaded[name])


def _shared(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Name of a tensor -> name of an earlier one that is the same memory in the same arrangement."""
    first: dict[object, str] = {}
    shared = {}
    for name, tensor in state.items():
        if tensor.numel() == 0:
            continue
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if place in first:
            shared[name] = first[place]
        else:
            first[place] = name
    return shared


def _is_part(tensor: Tensor) -> bool:
    """Whether its memory holds more than the tensor, which might be another tensor's too."""
    return tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size()


def _holds(content: bytes, tensors: Mapping[str, Tensor]) -> bool:
    """Compare bit by bit, so that NaN equals NaN."""
    back = load(content)
    return back.keys() == tensors.keys() and all(
        back[name].dtype == tensor.dtype and torch.equal(_bits(back[name]), _bits(tensor))
        for name, tensor in tensors.items()
    )


def _bits(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def _read_shared(metadata: Mapping[str, str]) -> dict[str, str]:
    """The shared names of the metadata; a file of another program has none."""
    own = json.loads(metadata.get(_METADATA_KEY, "{}"))
    if not isinstance(own, dict) or not isinstance(shared := own.get("shared", {}), dict):
        raise ValueError("its metadata is not what prunus writes")
    if (version := own.get("version", VERSION)) != VERSION:
        raise ValueError(f"it has version {version} of the format, this prunus reads {VERSION}")
    return {str(name): str(source) for name, source in shared.items()}


def _check(path: Path, state: Mapping[str, Tensor], loaded: Mapping[str, Tensor]) -> None:
    if missing := [name for name in state if name not in loaded]:
        raise InputError(
            f"The file {path} does not fit the model", f"it has no tensor '{missing[0]}'", nearest(missing[0], loaded)
        )
    if surplus := [name for name in loaded if name not in state]:
        raise InputError(
            f"The file {path} does not fit the model", f"the model has no '{surplus[0]}'", nearest(surplus[0], state)
        )
    for name, tensor in state.items():
        here, there = loaded[name], tensor
        if here.shape != there.shape or here.dtype != there.dtype:
            raise InputError(
                f"The file {path} does not fit the model",
                f"'{name}' is {_form(here)} in the file and {_form(there)} in the model",
                "build the model that the file was written from; a shrunk one has other shapes",
            )


def _form(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'a number'} {str(tensor.dtype).removeprefix('torch.')}"
