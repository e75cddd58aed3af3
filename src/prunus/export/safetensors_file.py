"""Weights in the safetensors format: written with what is needed to build the network again, read back strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prunus.errors import InputError, PrunusError, nearest
from prunus.export.written import WrittenFile
from prunus.surgery import saving
from prunus.surgery.structure import named_tensors


def write_safetensors(model: nn.Module, path: str | Path) -> WrittenFile:
    """Write the model's parameters and buffers under their names, and read them back bit by bit.

    A tensor that goes by several names is stored under the first; what was cut from the model stands in the header.
    Raises `PrunusError` where the file does not hold what the model does; it is then removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    saving.save(model, path)
    if not _equal_bits(_read(path)[0], named_tensors(model)):
        path.unlink()
        raise PrunusError(f"The file {path} did not hold the model's weights", "they came back different", "try again")
    content = path.read_bytes()
    return WrittenFile("safetensors", path, len(content), hashlib.sha256(content).hexdigest(), 0.0)


def read_network(path: str | Path, build: Callable[[], nn.Module] | None) -> nn.Module:
    """The network of a file: built, cut as the file says, and filled.

    build: makes the unpruned network; a file that holds the whole graph needs none. Files of other programs go too.
    Raises `InputError` that names the file and what does not fit.
    """
    if saving.KEY in _read(path)[1]:
        return saving.load(path, build)
    if build is None:
        raise InputError(f"The file {path} holds weights alone", "it was not said how the network is built", "say it")
    model = build()
    read_safetensors(path, model)
    return model


def read_safetensors(path: str | Path, model: nn.Module) -> None:
    """Load a file into a model of exactly its names, shapes and types.

    Raises `InputError` that names the file and the first tensor that does not fit; the model is then unchanged.
    """
    loaded, _ = _read(path)
    known = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)])
    _check_names(path, model.state_dict(keep_vars=True), known, loaded)
    for name, tensor in loaded.items():
        if tensor.shape != known[name].shape or tensor.dtype != known[name].dtype:
            raise InputError(
                f"The file {path} does not fit the model",
                f"'{name}' is {_form(tensor)} in the file and {_form(known[name])} in the model",
                "build the model that the file was written from; a shrunk one has other shapes",
            )
    with torch.no_grad():
        for name, tensor in loaded.items():
            known[name].copy_(tensor)


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the header's notes."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"The file {path} cannot be read as safetensors", str(error), "check that the file is there and whole"
        ) from None


def _check_names(
    path: str | Path, needed: Mapping[str, Tensor], known: Mapping[str, Tensor], loaded: Mapping[str, Tensor]
) -> None:
    """Every tensor of the state is there under one of its names, and nothing else is."""
    there = {id(known[name]) for name in loaded if name in known}
    if missing := [name for name, tensor in needed.items() if id(tensor) not in there]:
        raise InputError(
            f"The file {path} does not fit the model", f"it has no tensor '{missing[0]}'", nearest(missing[0], loaded)
        )
    if surplus := [name for name in loaded if name not in known]:
        raise InputError(
            f"The file {path} does not fit the model", f"the model has no '{surplus[0]}'", nearest(surplus[0], known)
        )


def _equal_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Compare bit by bit, so that NaN equals NaN."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(_bits(found[name]), _bits(tensor.detach().cpu()))
        for name, tensor in expected.items()
    )


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _form(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'a number'} {str(tensor.dtype).removeprefix('torch.')}"
