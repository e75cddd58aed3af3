"""Weights in the safetensors format: written with what is needed to build the network again, read back strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from prunus.channels import saving
from prunus.channels.structure import named_tensors
from prunus.errors import InputError, PrunusError
from prunus.export._trained_weights import load_weights, read_tensors, saved_by_torch
from prunus.export._written import WrittenFile
from prunus.models.huggingface import HuggingFace


def write_safetensors(model: nn.Module, path: str | Path) -> WrittenFile:
    """Write the model's parameters and buffers under their names, and read them back bit by bit.

    A tensor that goes by several names is stored under the first; what was cut from the model stands in the header.

    Args:
        model: the network.
        path: of the file.

    Returns:
        The file's path, size in bytes and SHA-256.

    Raises:
        PrunusError: the file does not hold what the model does; it is then removed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = write_safetensors(nn.Linear(4, 2), f"{folder}/a.safetensors")
        >>> file.format, file.path.name, file.deviation
        ('safetensors', 'a.safetensors', 0.0)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    saving.save(model, path)
    if not _equal_bits(read_tensors(path)[0], named_tensors(model)):
        path.unlink()
        raise PrunusError(f"The file {path} did not hold the model's weights", "they came back different", "try again")
    return WrittenFile.of("safetensors", path, 0.0)


def read_network(path: str | Path, build: Callable[[], nn.Module] | None) -> nn.Module:
    """The network of a file: built, cut as the file says, and filled.

    Args:
        path: of the file, from prunus or from another program; what `torch.save` wrote goes too, see `load_weights`;
            or a folder that `save_pretrained` of transformers wrote, which says itself how it is built.
        build: makes the unpruned module; None where the file holds the whole graph.

    Returns:
        The network with its weights.

    Raises:
        InputError: names the file and what does not fit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = write_safetensors(nn.Linear(4, 2), f"{folder}/a.safetensors")
        ...     read_network(file.path, lambda: nn.Linear(4, 2))
        Linear(in_features=4, out_features=2, bias=True)
    """
    if Path(path).expanduser().is_dir():
        return HuggingFace(folder=str(path)).trained()
    if not saved_by_torch(path) and saving.KEY in read_tensors(path)[1]:
        return saving.load(path, build)
    if build is None:
        raise InputError(f"The file {path} holds weights alone", "it was not said how the network is built", "say it")
    model = build()
    load_weights(model, path)
    return model


def _equal_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Compare bit by bit, so that NaN equals NaN."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(_bits(found[name]), _bits(tensor.detach().cpu()))
        for name, tensor in expected.items()
    )


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
