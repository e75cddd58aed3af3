"""Running a model without leaving a trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from prunus.graph.inventory import changing
from prunus.graph.shapes import apart


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients within; afterwards, also on failure, the model and all RNGs are as before.

    Covers modes, attributes, hooks, parameters and buffers by reference; values of tensors are the caller's care.
    """
    kept = [_keep(module) for module in model.modules()]
    try:
        with changing(), apart(), torch.no_grad():
            model.eval()
            yield
    finally:
        for restore in kept:
            restore()


def clone_tensors(model: nn.Module) -> None:
    """Give the model copies of all its tensors, shared ones still shared, so that a run cannot change the originals."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        tables: list[dict[str, Any]] = [module._parameters, module._buffers, module.__dict__]
        for table in tables:
            for name, value in table.items():
                if isinstance(value, torch.Tensor):
                    if not value.is_leaf:  # such as a weight computed by a hook
                        memo.setdefault(id(value), value.detach().clone())
                    table[name] = copy.deepcopy(value, memo)


def _keep(module: nn.Module) -> Any:
    """Remember a module's attributes and what their containers hold; return what restores them."""
    attributes = dict(module.__dict__)
    containers = [(value, copy.copy(value)) for value in attributes.values() if isinstance(value, dict | list | set)]

    def restore() -> None:
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for container, content in containers:
            container.clear()
            container.extend(content) if isinstance(container, list) else container.update(content)

    return restore
