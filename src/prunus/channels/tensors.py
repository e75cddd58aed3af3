"""Parameters, buffers and numbers of a model, by name: read, and copied smaller as a plan says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from prunus.channels.attributes import update_attributes
from prunus.channels.compressed_weight import Compressed, CompressedWeight
from prunus.channels.plan import Change, Cut, Plan
from prunus.errors import InputError, nearest
from prunus.trace.copying import Instead, fresh_copy, own
from prunus.trace.inventory import held_tensors, paths_of

Removed: TypeAlias = tuple[int, ...]
"""Positions along a dimension."""

Positions: TypeAlias = dict[int, Removed]
"""Dimension of a tensor -> positions along it."""

SMALL, FEWER = 2**12, 2**9
"""Numbers of a weight of which all are written down before some are set to zero; of windows, which meet more."""


class NamedTensors:
    """All parameters, buffers and tensor attributes of a model by every name that they have."""

    def __init__(self, model: nn.Module) -> None:
        self._tensors = held_tensors(model)

    def all(self) -> Mapping[str, Tensor]:
        """Name -> tensor."""
        return self._tensors

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            why = "the plan was made for another model"
            raise InputError(f"The model has no tensor {name!r}", why, nearest(name, self._tensors))
        return self._tensors[name]


def in_place_of(old: Tensor, value: Tensor) -> Tensor:
    """The value as what the other tensor is: a parameter of its kind, or not."""
    return nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value


class Places:
    """Positions that go, and those that stay, as tensors: made once, for a layer and its norm lose the same ones."""

    def __init__(self) -> None:
        self._gone: dict[int, tuple[Removed, Tensor]] = {}  # id of the positions -> these, and what is made of them
        self._left: dict[tuple[int, int], tuple[Removed, Tensor]] = {}  # size and id

    def gone(self, removed: Removed) -> Tensor:
        """Positions that go."""
        if id(removed) not in self._gone:
            self._gone[id(removed)] = removed, torch.tensor(removed)
        return self._gone[id(removed)][1]

    def left(self, size: int, removed: Removed) -> Tensor:
        """Positions of so many that stay."""
        key = size, id(removed)
        if key not in self._left:
            kept = np.ones(size, dtype=np.bool_)
            kept[list(removed)] = False
            self._left[key] = removed, torch.from_numpy(np.flatnonzero(kept))
        return self._left[key][1]


def without(tensor: Tensor, positions: Mapping[int, Removed], places: Places | None = None) -> Tensor:
    """The tensor without these positions of its dimensions."""
    places = places or Places()
    for dim, removed in positions.items():
        left = places.left(tensor.shape[dim], removed)
        tensor = tensor.index_select(dim, left if tensor.is_cpu else left.to(tensor.device))
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


def cut_tensors(
    model: nn.Module, plan: Plan, elsewhere: Collection[str] = (), places: Places | None = None
) -> nn.Module:
    """A copy whose tensors, and the numbers of known layers beside them, are as the plan leaves them.

    elsewhere: tensors that the model may not hold itself.
    Raises `InputError` if the plan was made for another model.
    """
    tensors, instead, places = NamedTensors(model), {}, places or Places()
    with torch.no_grad():
        for name, positions in plan.by_tensor().items():
            if name in elsewhere and name not in tensors.all():
                continue
            old = tensors[name]
            try:
                # By identity: a tensor that goes by several names (tied weights) is cut once, and stays one.
                instead[id(old)] = in_place_of(old, without(old, positions, places))
            except IndexError:
                raise _foreign(name, old, positions) from None
    clone = fresh_copy(model, instead)
    modules = dict(paths_of(clone))
    for change in plan.changes:
        _change(modules.get(change.module), change)
    for module in modules.values():
        update_attributes(module)
    return clone


def _change(module: nn.Module | None, change: Change) -> None:
    """Make one number smaller; where no module keeps it, it is written into a forward."""
    if module is not None and getattr(module, change.argument, None) == change.before:
        setattr(module, change.argument, change.after)


def anew(
    held: Mapping[str, Tensor], values: Instead, double: bool, zero: Iterable[Cut] = (), places: Places | None = None
) -> Instead:
    """For each tensor that a model holds one with memory of its own, that takes its place in a copy.

    double: as in `own`. values: id of a tensor -> other values for it. zero: what of them is zero in the copy.
    """
    cuts, places = _cuts(held, zero), places or Places()
    tensors = {id(tensor): tensor for tensor in held.values()}
    old = {key: values.get(key, tensor) for key, tensor in tensors.items()}
    new = _lines(old, cuts, places) if double else {}
    for key, tensor in old.items():
        positions = cuts.get(key, {})
        if key in new:
            new[key] = in_place_of(tensors[key], new[key])
        elif double and _is_compressible(tensor, positions):
            new[key] = CompressedWeight.of(
                _compressed(tensor, positions, places), isinstance(tensors[key], nn.Parameter)
            )
        else:
            copy = own(tensor, double)
            for dim, removed in positions.items():
                copy.index_fill_(dim, places.gone(removed).to(copy.device), 0)
            new[key] = in_place_of(tensors[key], copy)
    return new


def _cuts(held: Mapping[str, Tensor], cuts: Iterable[Cut]) -> dict[int, Positions]:
    """The id of each tensor that is cut -> where."""
    found: dict[int, Positions] = {}
    for cut in cuts:
        if cut.tensor in held:  # what is written into a forward can't be zeroed
            of_tensor = found.setdefault(id(held[cut.tensor]), {})
            before = of_tensor.get(cut.dim)
            of_tensor[cut.dim] = (*before, *cut.removed) if before else cut.removed
    return found


def _lines(tensors: Instead, cuts: Mapping[int, Positions], places: Places) -> dict[int, Tensor]:
    """Tensors of one dimension in double precision, with zeros where they are cut, all at once: there are many."""
    lines = {key: tensor for key, tensor in tensors.items() if tensor.dim() == 1 and _is_single(tensor)}
    if not lines:
        return {}
    sizes = [len(line) for line in lines.values()]
    together = torch.cat([line.detach() for line in lines.values()]).double()
    begins = accumulate(sizes, initial=0)
    gone = [begin + places.gone(cuts[key][0]).numpy() for key, begin in zip(lines, begins) if key in cuts]  # noqa: B905
    if gone:
        together.numpy()[np.concatenate(gone)] = 0
    return dict(zip(lines, torch.split(together, sizes), strict=True))


def _is_single(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def _is_compressible(tensor: Tensor, positions: Positions) -> bool:
    """Whether the tensor is large, and whole rows and columns of it are zero."""
    few = SMALL if tensor.dim() < 4 else FEWER
    fits = bool(positions) and max(positions) < 2 <= tensor.dim()
    return fits and tensor.numel() > few and _is_single(tensor)


def _compressed(tensor: Tensor, positions: Positions, places: Places) -> Compressed:
    rows, columns = (places.left(tensor.shape[d], positions[d]) if d in positions else None for d in (0, 1))
    left = tensor.detach()
    for dim, some in enumerate((rows, columns)):
        left = left if some is None else left.index_select(dim, some)
    return Compressed(tensor.shape, left.to(torch.float64, copy=True), rows, columns)


def cut_values(
    tensors: Mapping[str, Tensor], small: Mapping[str, Tensor], plan: Plan, values: Instead, places: Places
) -> Instead:
    """Other values of a model's tensors, cut as a plan says, for the same tensors of the model that it made."""
    cuts = {id(tensors[name]): positions for name, positions in plan.by_tensor().items() if name in tensors}
    pairs = {id(new): id(tensors[name]) for name, new in small.items() if name in tensors}
    return {new: without(values[old], cuts.get(old, {}), places) for new, old in pairs.items() if old in values}


def _foreign(name: str, tensor: Tensor, positions: Positions) -> InputError:
    """A plan that takes positions which a tensor does not have."""
    dim, removed = next(
        (dim, removed) for dim, removed in positions.items() if dim >= tensor.dim() or max(removed) >= tensor.shape[dim]
    )
    return InputError(
        f"{name!r} has shape {tuple(tensor.shape)}",
        f"the plan removes position {max(removed)} of dimension {dim}",
        "use the plan with the model that it was made for",
    )
