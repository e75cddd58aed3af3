"""What is in a model: its modules and the tensors that they hold, by name; and the model itself behind its wrappers."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType
from typing import TypeAlias, TypeGuard

from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

Paths: TypeAlias = Sequence[tuple[str, nn.Module]]

SHARED = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type, FunctionType, BuiltinFunctionType}
)  # a deep copy is the thing itself
NO_TENSORS = SHARED | {dict, OrderedDict, list, tuple, set}  # types of attributes that are no tensors themselves


@dataclass(frozen=True)
class _Inventory:
    model: nn.Module

    @cached_property
    def paths(self) -> Paths:
        found: dict[nn.Module, str] = {}
        waiting = [("", self.model)]
        while waiting:
            path, module = waiting.pop()
            if module not in found:
                found[module] = path
                before = f"{path}." if path else ""
                parts = reversed(module._modules.items())
                waiting += [(before + name, part) for name, part in parts if part is not None]
        return [(path, module) for module, path in found.items()]

    @cached_property
    def modules(self) -> Sequence[nn.Module]:
        return [module for _, module in self.paths]

    @cached_property
    def held(self) -> Mapping[str, Tensor]:
        held: dict[str, Tensor] = {}
        waiting = [("", self.model)]
        while waiting:
            path, module = waiting.pop()
            attributes = vars(module)
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                if value is not None:
                    held[path + name] = value
            if not NO_TENSORS.issuperset(map(type, attributes.values())):
                held.update((path + name, value) for name, value in attributes.items() if isinstance(value, Tensor))
            if parts := module._modules:
                waiting += [(f"{path}{name}.", part) for name, part in reversed(parts.items()) if part is not None]
        return held


_unchanged: ContextVar[_Inventory | None] = ContextVar("_unchanged", default=None)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Within, nobody exchanges modules or tensors of this model: it is walked through once, which takes its time."""
    token = _unchanged.set(_inventory(model))
    try:
        yield
    finally:
        _unchanged.reset(token)


@contextmanager
def changing() -> Iterator[None]:
    """Within, modules and tensors may be exchanged, and are looked up anew each time."""
    token = _unchanged.set(None)
    try:
        yield
    finally:
        _unchanged.reset(token)


def _inventory(model: nn.Module) -> _Inventory:
    known = _unchanged.get()
    return known if known is not None and known.model is model else _Inventory(model)


def held_tensors(model: nn.Module) -> Mapping[str, Tensor]:
    """Parameters, buffers and plain tensor attributes of all modules, each under every name that it has."""
    return _inventory(model).held


def paths_of(model: nn.Module) -> Paths:
    """The model and all modules in it, each once, with its first name: what `named_modules` gives, but quickly."""
    return _inventory(model).paths


def modules_of(model: nn.Module) -> Sequence[nn.Module]:
    """The model and all modules in it, each once."""
    return _inventory(model).modules


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own network behind `torch.compile`, `DistributedDataParallel` and `DataParallel`."""
    while True:
        if isinstance(model, (DistributedDataParallel, DataParallel)):
            model = model.module
        elif isinstance(compiled := getattr(model, "_orig_mod", None), nn.Module):
            model = compiled
        else:
            return model


def is_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the module multiplies its input with its `weight`, a matrix, and adds its `bias`, as `nn.Linear` does."""
    return isinstance(module, nn.Linear) or is_transposed(module)


def is_transposed(module: nn.Module) -> bool:
    """Whether it is a linear layer whose weight is (inputs, outputs): `Conv1D` of transformers, as in GPT-2."""
    library = sys.modules.get("transformers.pytorch_utils")  # where it is not imported, nothing is of its class
    return library is not None and isinstance(module, library.Conv1D)


def by_outputs(layer: nn.Module, weight: Tensor) -> Tensor:
    """The layer's weight, or a tensor of its shape, with the outputs first, as `nn.Linear` and convolutions have it."""
    return weight.t() if is_transposed(layer) else weight
