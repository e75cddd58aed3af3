"""Other arguments to call a network with: the same at other sizes, and optional tensors that can be made.

Other sizes are those of batches, lengths and images; optional tensors are masks, positions and labels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.trace.batch import FixedBatchError, batch_size
from prunus.trace.trace import Call

SHAPE = tuple[int, ...]


def optional_arguments(model: nn.Module, call: Call) -> Iterator[tuple[Edit, ...]]:
    """For each argument that the call leaves out and that can be made, values to try, the most usual first.

    Whether the network takes one is found out by calling it.
    """
    first = next((leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, Tensor) and leaf.dim()), None)
    if first is None:
        return
    for name in left_out(model, call):
        for word, values in MAKERS:
            if word in name:
                yield tuple(_adding(model, name, values, place) for place in range(len(values(first))))
                break


def left_out(model: nn.Module, call: Call) -> list[str]:
    """Names of the forward's optional arguments that the call does not give."""
    try:
        parameters = inspect.signature(model.forward).parameters
    except (TypeError, ValueError):
        return []
    args, kwargs = call
    named = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [p.name for p in named[len(args) :] if p.name not in kwargs and p.default is None]


def _adding(model: nn.Module, name: str, values: Callable[[Tensor], list[Tensor]], place: int) -> Edit:
    """The value is made for the sizes of the call at hand."""

    def change(call: Call) -> Call:
        first = next(leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, Tensor) and leaf.dim())
        return (), named_arguments(model, call) | {name: values(first)[place]}

    return Edit(f"with {name}", change)


def named_arguments(model: nn.Module, call: Call) -> dict[str, Any]:
    """All arguments by name."""
    args, kwargs = call
    return dict(zip(inspect.signature(model.forward).parameters, args, strict=False)) | kwargs


def _masks(first: Tensor) -> list[Tensor]:
    """Masks of which the first sample lacks its beginning, as a padded text does."""
    shapes = _unique([tuple(first.shape[:2]), tuple(first.shape[:-1]), tuple(first.shape), tuple(first.shape[:1])])
    types = (torch.int64, torch.bool, torch.float32)
    return [_mask(shape).to(kind) for shape in shapes if shape for kind in types]


def _pixel_masks(first: Tensor) -> list[Tensor]:
    """Masks of images: those of text would be of other sizes."""
    shape = (*first.shape[:1], *first.shape[2:]) if first.dim() > 3 else tuple(first.shape[:2])
    return [_mask(shape, at_end=True).to(kind) for kind in (torch.int64, torch.bool)]


def _mask(shape: SHAPE, at_end: bool = False) -> Tensor:
    mask = torch.ones(shape)
    gone = max(1, shape[-1] // 3) if shape[-1] > 1 else 0
    row = mask[:1] if mask.dim() > 1 else mask
    row[..., shape[-1] - gone if at_end else 0 : shape[-1] if at_end else gone] = 0
    return mask


def _positions(first: Tensor) -> list[Tensor]:
    count = first.shape[1] if first.dim() > 1 else first.shape[0]
    ascending = torch.arange(count)
    return [ascending.expand(first.shape[0], -1).contiguous(), ascending[None], ascending]


def _types(first: Tensor) -> list[Tensor]:
    """Two segments."""
    shape = tuple(first.shape[:2])
    return [(torch.arange(shape[-1]) >= shape[-1] // 2).long().expand(shape).contiguous(), torch.zeros(shape).long()]


def _labels(first: Tensor) -> list[Tensor]:
    """Classes of the samples, of their tokens, or of their pixels."""
    shapes = _unique([tuple(first.shape[:2]), tuple(first.shape[:1]), (*first.shape[:1], *first.shape[2:])])
    return [torch.zeros(shape, dtype=torch.int64) for shape in shapes]


def _unique(shapes: list[SHAPE]) -> list[SHAPE]:
    return list(dict.fromkeys(shapes))


MAKERS: tuple[tuple[str, Callable[[Tensor], list[Tensor]]], ...] = (
    ("head_mask", lambda _: []),  # one entry a head, of which there are fewer after the cut
    ("pixel_mask", _pixel_masks),
    ("mask", _masks),
    ("position_ids", _positions),
    ("token_type_ids", _types),
    ("labels", _labels),
)


Change: TypeAlias = Callable[[Call], Call]
LARGE = 96
"""A size of which a quarter is still an image."""


@dataclass(frozen=True)
class Edit:
    """A change of a call, and what a report says of it."""

    name: str
    change: Change


def other_batches(call: Call) -> tuple[Edit | None, Edit | None]:
    """One sample more, and a single one if there are more."""
    try:
        batch = batch_size(call)
    except FixedBatchError:
        return None, None
    more = Edit(f"a batch of {batch + 1}", lambda given: _with_batch(given, batch, batch + 1))
    single = Edit("a batch of 1", lambda given: _with_batch(given, batch, 1))
    return more, single if batch > 1 else None


def other_sizes(call: Call) -> Iterator[tuple[tuple[Edit, ...], tuple[Edit, ...]]]:
    """For each size of the arguments, beside the batch, smaller and larger ones, the most telling first."""
    for size in dict.fromkeys(size for tensor in _tensors(call) for size in tensor.shape[1:]):
        smaller = [size // 4 if size >= LARGE else 0, size // 2 if size % 2 == 0 else 0, size - 1]
        yield _edits(size, [n for n in smaller if n > 0]), _edits(size, [size + 1, 2 * size])


def _edits(size: int, others: list[int]) -> tuple[Edit, ...]:
    return tuple(Edit(f"{other} in place of {size}", _resizing(size, other)) for other in dict.fromkeys(others))


def _resizing(size: int, other: int) -> Change:
    """Every dimension of that size, but for the first one, gets the other; its entries are repeated."""

    def resized(value: object) -> object:
        if isinstance(value, Tensor):
            for dim in range(1, value.dim()):
                if value.shape[dim] == size:
                    value = value.index_select(dim, torch.arange(other) % size)
        return value

    return lambda call: pytree.tree_map(resized, call)


def _with_batch(call: Call, batch: int, other: int) -> Call:
    """Samples that are new have numbers of their own: over equal ones a batch normalisation divides by nearly zero."""

    def resized(value: object) -> object:
        if isinstance(value, Tensor) and value.dim() and value.shape[0] == batch:
            value = value.index_select(0, torch.arange(other) % batch)
            if other > batch and value.is_floating_point():
                drawn = torch.randn(value[batch:].shape, generator=torch.Generator().manual_seed(other))
                value = torch.cat([value[:batch], drawn.to(value)])
        return value

    changed: Call = pytree.tree_map(resized, call)
    return changed


def _tensors(call: Call) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, Tensor)]
