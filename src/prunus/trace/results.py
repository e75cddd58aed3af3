"""What a model returns, as plain containers of tensors and numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

PLAIN = (torch.Tensor, torch.SymInt, torch.SymFloat, torch.SymBool, int, float, complex, str, type(None))


def plain(result: Any) -> Any:
    """Results as torch.export takes them: of objects a dictionary of what they hold, but nothing of a cache."""
    if isinstance(result, PLAIN):
        return result
    if not pytree.tree_is_leaf(result):
        return pytree.tree_map(plain, result, is_leaf=lambda part: part is not result)
    if _is_cache(result):
        return None
    if dataclasses.is_dataclass(result):
        return {field.name: plain(getattr(result, field.name)) for field in dataclasses.fields(result)}
    held = getattr(result, "__dict__", {})
    return {name: value for name, value in held.items() if all(isinstance(v, PLAIN) for v in pytree.tree_leaves(value))}


def _is_cache(result: Any) -> bool:
    return pytree.tree_is_leaf(result) and not isinstance(result, PLAIN) and "cache" in type(result).__name__.lower()


def caches_in(result: Any, path: str = "") -> Iterator[str]:
    """Where a model returns caches, of which `plain` leaves nothing: the path of each, such as `past_key_values`."""
    if isinstance(result, PLAIN):
        return
    if _is_cache(result):
        yield path or type(result).__name__
        return
    for name, part in _parts(result):
        yield from caches_in(part, f"{path}.{name}" if path else name)


def _parts(result: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(result, Mapping):
        yield from ((str(name), part) for name, part in result.items())
    elif dataclasses.is_dataclass(result):
        yield from ((field.name, getattr(result, field.name)) for field in dataclasses.fields(result))
    elif isinstance(result, (tuple, list)):
        yield from zip(getattr(result, "_fields", map(str, range(len(result)))), result, strict=True)


class PlainResult:
    """A forward hook that has a model return plain results, and knows of which caches nothing is left in them.

    caches: the path of each in what the model returned.
    """

    def __init__(self) -> None:
        self.caches: tuple[str, ...] = ()

    def __call__(self, model: nn.Module, _: Any, result: Any) -> Any:
        """The plain results. Raises `TypeError` where there is no tensor in them."""
        self.caches = tuple(caches_in(result))
        return plain_result(model, result)


def plain_result(model: nn.Module, result: Any) -> Any:
    """What a model returned, as `plain` makes it. Raises `TypeError` where there is no tensor in it."""
    found = plain(result)
    if not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(found)):
        raise TypeError(
            f"{type(model).__name__} returns an object of type {type(result).__name__} in which there is no tensor"
        )
    return found
