"""Arguments of a call, nested as they are: their leaves, and whether two calls are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from prunus.graph.node import Ref

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout)
"""Types of arguments that are compared by value; all others are compared by identity."""


@dataclass(frozen=True)
class Opaque:
    """A default or an argument that a file can't hold, which nothing that a caller gives is equal to."""

    text: str


def call_key(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What two calls have in common that take the same path: shapes and types of tensors, and all other arguments."""
    return tuple((path, _key(leaf)) for path, leaf in leaves({"args": tuple(args), "kwargs": kwargs}))


def _key(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.dtype
    return (type(leaf), leaf) if isinstance(leaf, PLAIN) else id(leaf)


def is_same(wanted: Any, given: Any) -> bool:
    """Whether an argument that is no tensor is the one that was traced.

    >>> is_same(2, 2), is_same(1, True), is_same(2.0, 2)
    (True, False, False)
    """
    if wanted is given:
        return True
    return type(wanted) is type(given) and isinstance(wanted, (Opaque, *PLAIN)) and bool(wanted == given)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of all leaves; the first step is the name of a parameter."""
    parts = parts_of(value)
    if parts is None:
        yield path, value
        return
    for key, part in parts.items():
        yield from leaves(part, f"{path}[{key!r}]" if path else str(key))


def parts_of(value: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by key or place; None for what is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, (tuple, list)):
        return dict(enumerate(value))
    if isinstance(value, (Ref, *PLAIN, Tensor)) or pytree.tree_is_leaf(value):
        return None
    return dict(enumerate(pytree.tree_leaves(value)))


def words(value: Any) -> str:
    """A value as a message calls it."""
    if isinstance(value, Ref):
        return "a tensor"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Opaque):
        return value.text
    return repr(value) if isinstance(value, PLAIN) else f"an object of type {type(value).__name__}"
