"""Parameters and buffers by their name in the model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from prunus.errors import InputError, nearest


def tensor_of(model: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of that name. Raises `InputError` with the nearest names."""
    path, _, last = name.rpartition(".")
    modules = dict(model.named_modules())
    found = getattr(modules.get(path), last, None)
    if not isinstance(found, Tensor):
        known = [*dict(model.named_parameters()), *dict(model.named_buffers())]
        raise InputError(
            f"The model has no tensor {name!r}", "the plan was made for another model", nearest(name, known)
        )
    return found


def replace_tensor(model: nn.Module, name: str, value: Tensor) -> None:
    """Put another tensor in place of a parameter or buffer, under every name that it has."""
    old = tensor_of(model, name)
    new = nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value
    for module, key in _holders(model, old):
        if key in module._parameters:
            module._parameters[key] = new if isinstance(new, nn.Parameter) else nn.Parameter(new)
        else:
            module._buffers[key] = new


def _holders(model: nn.Module, tensor: Tensor) -> Iterator[tuple[nn.Module, str]]:
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            yield from ((module, key) for key, value in list(table.items()) if value is tensor)


def without(tensor: Tensor, dim: int, removed: tuple[int, ...]) -> Tensor:
    """The tensor without these positions of one dimension."""
    kept = torch.ones(tensor.shape[dim], dtype=torch.bool, device=tensor.device)
    kept[torch.tensor(removed, device=tensor.device)] = False
    return tensor.index_select(dim, kept.nonzero().flatten()).contiguous()
