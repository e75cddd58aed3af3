"""Networks beside replicas of themselves: one network, the same masks everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def agree(gone: Mapping[str, Tensor]) -> None:
    """Where several processes train one network, all take the first one's units, in place: they saw other data."""
    if _are_several():
        for units in gone.values():
            numbers = units.to(torch.uint8)
            dist.broadcast(numbers, src=0)
            units.copy_(numbers.bool())


def of_first(tensors: Iterable[Tensor]) -> None:
    """Where several processes train one network, all take the first one's values, in place."""
    if _are_several():
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def decided_by_first(decide: Callable[[], T]) -> T:
    """What the first of several processes finds, or raises; the others wait for it."""
    if not _are_several():
        return decide()
    word: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            word[0] = decide()
        except Exception as error:  # the others are waiting, and are to end by the same error
            word[1] = error
    dist.broadcast_object_list(word, src=0)
    if word[1] is not None:
        raise word[1]
    found: T = word[0]
    return found


def _are_several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
