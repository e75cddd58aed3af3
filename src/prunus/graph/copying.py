"""Copies of a model that can be changed without a trace in the original."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError

PLAIN = (nn.Module.__setstate__, _ConvNd.__setstate__)  # ways to be restored that only mend what older versions left
EVERY = frozenset(vars(nn.Module()))  # attributes of every module: flags, and containers that are its own, mostly empty
SHARED = frozenset({type(None), bool, int, float, complex, str, bytes, type})  # nothing in them can change
NO_TENSORS = SHARED | {dict, OrderedDict, list, tuple, set}  # types of attributes that are no tensors themselves


Instead = Mapping[int, Tensor]
"""The id of a tensor of the model -> what takes its place in the copy."""


def held_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters, buffers and plain tensor attributes of all modules, each under every name that it has."""
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        plain = {} if NO_TENSORS.issuperset(map(type, vars(module).values())) else vars(module)
        for table in (module._parameters, module._buffers, plain):
            for name, value in table.items():
                if isinstance(value, Tensor):
                    yield path + name, value
        waiting += [(f"{path}{name}.", part) for name, part in reversed(module._modules.items()) if part is not None]


def modules_of(model: nn.Module) -> list[nn.Module]:
    """The model and all modules in it, each once: what its own way to list them gives, without its dozens of calls."""
    found: dict[nn.Module, None] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = None
            waiting += [part for part in reversed(module._modules.values()) if part is not None]
    return list(found)


def fresh_copy(model: nn.Module, instead: Instead | None = None) -> nn.Module:
    """A deep copy in the same modes, without what its modules remember between calls in evaluation mode.

    Modules that keep tensors computed from their parameters, such as tables of attention biases, drop them when they
    are set to training mode; a copy with other parameters must not find them.
    """
    twin = exact_copy(model, instead)
    if any(type(module).train is not nn.Module.train for module in modules_of(model)):
        twin.train()
        for ours, theirs in zip(modules_of(twin), modules_of(model), strict=True):
            ours.training = theirs.training
    return twin


def exact_copy(model: nn.Module, instead: Instead | None = None) -> nn.Module:
    """What `copy.deepcopy` gives, several times faster; raises `InputError` where that fails."""
    try:
        return _copied(model, dict(instead or {}))
    except RuntimeError as error:
        raise InputError(
            f"{type(model).__name__} can't be copied",
            str(error).splitlines()[0],
            "remove weight_norm of the old kind, and tensors with a gradient history, from its modules",
        ) from None


def _copied(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A copy of one module and those below it; classes that copy themselves in their own way do so."""
    kind = type(module)
    if id(module) in memo or not _is_plain(kind):
        twin: nn.Module = copy.deepcopy(module, memo)
        return twin
    memo[id(module)] = twin = kind.__new__(kind)
    attributes = vars(twin)
    attributes.update(vars(module))
    for name, value in [each for each in attributes.items() if type(each[1]) not in SHARED]:
        attributes[name] = type(value)() if name in EVERY and not value else _part(value, memo)
    return twin


def _is_plain(kind: type[nn.Module]) -> bool:
    """Whether a copy of the attributes is a copy of the module."""
    plain = all(getattr(kind, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))
    return plain and kind.__setstate__ in PLAIN and not hasattr(kind, "__deepcopy__")


def _part(value: Any, memo: dict[int, Any]) -> Any:
    if type(value) in SHARED:
        return value
    if isinstance(value, nn.Module):
        return _copied(value, memo)
    if type(value) is tuple and all(type(item) in SHARED for item in value):
        return value
    if type(value) is set and all(type(item) in SHARED for item in value):
        return memo.setdefault(id(value), set(value))
    if type(value) not in (dict, OrderedDict) or id(value) in memo:
        return copy.deepcopy(value, memo)
    memo[id(value)] = twin = type(value)()
    twin.update((key, _part(item, memo)) for key, item in value.items())
    return twin
