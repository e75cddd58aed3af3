"""Running a model without leaving a trace in it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients within; afterwards, also on failure, the model and all RNGs are as before.

    Covers modes, attributes, hooks, parameters and buffers by reference; values of tensors are the caller's care.
    """
    kept = [_keep(module) for module in model.modules()]
    with ExitStack() as stack:
        stack.callback(lambda: [restore() for restore in kept])
        stack.enter_context(evaluating(model))
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`undisturbed` for a model that is thrown away: it may change."""
    fused = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fused)
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices()))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        torch.backends.mha.set_fastpath_enabled(False)  # it would hide a whole encoder layer in one operation
        model.eval()
        stack.enter_context(torch.no_grad())
        yield


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


def _cuda_devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
