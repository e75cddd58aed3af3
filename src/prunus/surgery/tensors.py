"""Parameters, buffers and numbers of a model, by name: read, and copied smaller as a plan says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from prunus.errors import InputError, nearest
from prunus.graph.copying import Instead, fresh_copy, held_tensors, modules_of
from prunus.surgery.attributes import update_attributes
from prunus.surgery.hollow import Hollow
from prunus.surgery.plan import Change, Cut, Plan

Positions: TypeAlias = dict[int, tuple[int, ...]]
"""Dimension of a tensor -> positions along it."""

SMALL, FEWER = 2**12, 2**9
"""Numbers of a weight of which all are written down before some are set to zero; of windows, which meet more."""


class NamedTensors:
    """All parameters, buffers and tensor attributes of a model by every name that they have."""

    def __init__(self, model: nn.Module) -> None:
        self._tensors = held_tensors(model)

    def all(self) -> dict[str, Tensor]:
        """Name -> tensor."""
        return self._tensors

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            why = "the plan was made for another model"
            raise InputError(f"The model has no tensor {name!r}", why, nearest(name, self._tensors))
        return self._tensors[name]


def in_place_of(old: Tensor, value: Tensor) -> Tensor:
    """The value as what the other tensor is: a parameter of its kind, or not."""
    if type(value) is Hollow:
        return value
    return nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value


def _left(size: int, removed: tuple[int, ...]) -> Tensor:
    """Positions that stay."""
    kept = np.ones(size, dtype=np.bool_)
    kept[list(removed)] = False
    return torch.from_numpy(np.flatnonzero(kept))


def without(
    tensor: Tensor, positions: Mapping[int, tuple[int, ...]], left: Callable[[int, tuple[int, ...]], Tensor] = _left
) -> Tensor:
    """The tensor without these positions of its dimensions."""
    for dim, removed in positions.items():
        tensor = tensor.index_select(dim, left(tensor.shape[dim], removed).to(tensor.device))
    return tensor.contiguous()


def put_back(whole: Tensor, small: Tensor, positions: Mapping[int, tuple[int, ...]]) -> None:
    """Write what is left of a tensor into the whole one, whose other entries stay: `without` undone, in place."""
    indices = [torch.arange(size, device=whole.device) for size in whole.shape]
    for dim, removed in positions.items():
        indices[dim] = without(indices[dim], {0: removed})
    if positions:
        whole[torch.meshgrid(*indices, indexing="ij")] = small
    else:
        whole.copy_(small)


def cut_tensors(model: nn.Module, plan: Plan, elsewhere: Collection[str] = ()) -> nn.Module:
    """A copy whose tensors, and the numbers of known layers beside them, are as the plan leaves them.

    elsewhere: tensors that the model may not hold itself.
    Raises `InputError` if the plan was made for another model.
    """
    tensors, instead, left = NamedTensors(model), {}, cache(_left)  # a layer and its norm lose the same
    with torch.no_grad():
        for name, positions in plan.by_tensor().items():
            if name in elsewhere and name not in tensors.all():
                continue
            old = tensors[name]
            _check(name, old, positions)
            instead[id(old)] = in_place_of(old, without(old, positions, left))
    twin = fresh_copy(model, instead)
    modules = dict(twin.named_modules()) if plan.changes else {}
    for change in plan.changes:
        _change(modules.get(change.module), change)
    for module in modules_of(twin):
        update_attributes(module)
    return twin


def _change(module: nn.Module | None, change: Change) -> None:
    """Make one number smaller; where no module keeps it, it is written into a forward."""
    if module is not None and getattr(module, change.argument, None) == change.before:
        setattr(module, change.argument, change.after)


def own(tensor: Tensor, double: bool) -> Tensor:
    """A copy of a tensor, in double precision if that is asked for and it is floating-point or complex."""
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    real = tensor.is_floating_point() or tensor.is_complex()
    return tensor.detach().to(wide if double and real else tensor.dtype, copy=True)


def zeroed(
    tensor: Tensor,
    positions: Mapping[int, tuple[int, ...]],
    double: bool,
    parameter: bool = False,
    index: Callable[[tuple[int, ...]], Tensor] = torch.tensor,
    left: Callable[[int, tuple[int, ...]], Tensor] = _left,
) -> Tensor:
    """`own`, with zeros at these positions of its dimensions; a large one is hollow in double precision.

    parameter: whether it takes the place of one. index, left: positions, and those that stay, as a tensor.
    """
    if double and positions and max(positions) < 2 and tensor.dim() > 1 and _is_large(tensor):
        rows, columns = (left(tensor.shape[dim], positions[dim]) if dim in positions else None for dim in (0, 1))
        small = tensor.detach()
        for dim, some in enumerate((rows, columns)):
            small = small if some is None else small.index_select(dim, some)
        return Hollow.of(tensor.shape, small.to(torch.float64, copy=True), rows, columns, parameter)
    copy = own(tensor, double)
    for dim, removed in positions.items():
        copy.index_fill_(dim, index(removed).to(copy.device), 0)
    return copy


def _is_large(tensor: Tensor) -> bool:
    few = SMALL if tensor.dim() < 4 else FEWER
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.numel() > few


def anew(model: nn.Module, values: Instead, double: bool, zero: Iterable[Cut] = ()) -> Instead:
    """For each tensor of a model one with memory of its own, that takes its place in a copy; double: as in `own`.

    values: id of a tensor -> other values for it. zero: what of them is zero in the copy.
    """
    held, cuts = NamedTensors(model).all(), defaultdict[int, Positions](dict)
    for cut in zero:
        if cut.tensor in held:  # what is written into a forward can't be zeroed
            of_tensor = cuts[id(held[cut.tensor])]
            of_tensor[cut.dim] = (*of_tensor.get(cut.dim, ()), *cut.removed)
    tensors = {id(tensor): tensor for tensor in held.values()}
    pairs = ((key, tensor, values.get(key, tensor)) for key, tensor in tensors.items())
    index, left = cache(torch.tensor), cache(_left)  # a layer and its norm lose the same
    return {
        key: in_place_of(old, zeroed(new, cuts.get(key, {}), double, isinstance(old, nn.Parameter), index, left))
        for key, old, new in pairs
    }


def cut_values(model: nn.Module, small: nn.Module, plan: Plan, values: Instead) -> Instead:
    """Other values of a model's tensors, cut as a plan says, for the same tensors of the model that it made."""
    tensors = NamedTensors(model).all()
    cuts = {id(tensors[name]): positions for name, positions in plan.by_tensor().items() if name in tensors}
    pairs = {id(new): id(tensors[name]) for name, new in NamedTensors(small).all().items() if name in tensors}
    return {new: without(values[old], cuts.get(old, {})) for new, old in pairs.items() if old in values}


def _check(name: str, tensor: Tensor, positions: dict[int, tuple[int, ...]]) -> None:
    for dim, removed in positions.items():
        if dim >= tensor.dim() or max(removed) >= tensor.shape[dim]:
            raise InputError(
                f"{name!r} has shape {tuple(tensor.shape)}",
                f"the plan removes position {max(removed)} of dimension {dim}",
                "use the plan with the model that it was made for",
            )
