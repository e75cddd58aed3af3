"""Parameters, buffers and numbers of a model, by name: read, exchanged, made smaller as a plan says."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from prunus.errors import InputError, nearest
from prunus.graph.copying import fresh_copy
from prunus.surgery.attributes import update_attributes
from prunus.surgery.plan import Change, Cut, Plan


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


def cut_tensors(model: nn.Module, plan: Plan) -> nn.Module:
    """A copy whose tensors, and the numbers of known layers beside them, are as the plan leaves them.

    Raises `InputError` if the plan was made for another model.
    """
    twin = fresh_copy(model)
    for change in plan.changes:
        _change(twin, change)
    with torch.no_grad():
        for piece in plan.cuts:
            _remove(twin, piece)
    for module in twin.modules():
        update_attributes(module)
    return twin


def _change(model: nn.Module, change: Change) -> None:
    """Make one number smaller; where no module keeps it, it is written into a forward."""
    module = dict(model.named_modules()).get(change.module)
    value = getattr(module, change.argument, None)
    if isinstance(value, int) and value > change.less:
        setattr(module, change.argument, value - change.less)


def _remove(model: nn.Module, piece: Cut) -> None:
    tensor = tensor_of(model, piece.tensor)
    if piece.dim >= tensor.dim() or max(piece.removed) >= tensor.shape[piece.dim]:
        raise InputError(
            f"{piece.tensor!r} has shape {tuple(tensor.shape)}",
            f"the plan removes position {max(piece.removed)} of dimension {piece.dim}",
            "use the plan with the model that it was made for",
        )
    replace_tensor(model, piece.tensor, without(tensor, piece.dim, piece.removed))
