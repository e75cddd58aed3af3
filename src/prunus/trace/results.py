"""What a model returns, as plain containers of tensors and numbers."""

from __future__ import annotations

import dataclasses
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
    if "cache" in type(result).__name__.lower():
        return None
    if dataclasses.is_dataclass(result):
        return {field.name: plain(getattr(result, field.name)) for field in dataclasses.fields(result)}
    held = getattr(result, "__dict__", {})
    return {name: value for name, value in held.items() if all(isinstance(v, PLAIN) for v in pytree.tree_leaves(value))}


def plain_result(model: nn.Module, _: Any, result: Any) -> Any:
    """A forward hook that has a model return plain results. Raises `TypeError` where there is no tensor in them."""
    found = plain(result)
    if not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(found)):
        raise TypeError(
            f"{type(model).__name__} returns an object of type {type(result).__name__} in which there is no tensor"
        )
    return found
