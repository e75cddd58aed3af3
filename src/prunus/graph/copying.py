"""Copies of a model that can be changed without a trace in the original."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError
from prunus.graph.inventory import SHARED, modules_of

PLAIN = (nn.Module.__setstate__, _ConvNd.__setstate__)  # ways to be restored that only mend what older versions left
EVERY = frozenset(vars(nn.Module()))  # attributes of every module: flags, and containers that are its own, mostly empty

Instead = Mapping[int, Tensor]
"""The id of a tensor of the model -> what takes its place in the copy."""


def evaluating(model: nn.Module) -> nn.Module:
    """The model itself, in evaluation mode: what its `eval()` does, without its dozens of calls."""
    modules = modules_of(model)
    if any(_has_own_modes(module) for module in modules):
        return model.eval()
    for module in modules:
        vars(module)["training"] = False
    return model


def _has_own_modes(module: nn.Module) -> bool:
    kind = type(module)
    return kind.train is not nn.Module.train or kind.eval is not nn.Module.eval


def fresh_copy(model: nn.Module, instead: Instead | None = None) -> nn.Module:
    """A deep copy in the same modes, without what its modules remember between calls in evaluation mode.

    Modules that keep tensors computed from their parameters, such as tables of attention biases, drop them when they
    are set to training mode; a copy with other parameters must not find them.
    """
    twin, modules = exact_copy(model, instead), modules_of(model)
    if any(_has_own_modes(module) for module in modules):
        twin.train()
        for ours, theirs in zip(modules_of(twin), modules, strict=True):
            vars(ours)["training"] = theirs.training
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
    for name, value in attributes.items():
        what = type(value)
        if what not in SHARED:
            attributes[name] = what() if name in EVERY and not value else _part(value, memo)
    return twin


def _is_plain(kind: type[nn.Module]) -> bool:
    """Whether a copy of the attributes is a copy of the module."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__setstate__ in PLAIN
        and not hasattr(kind, "__deepcopy__")
    )


def _part(value: Any, memo: dict[int, Any]) -> Any:
    what, known = type(value), memo.get(id(value))
    if known is not None:
        return known
    if what in (dict, OrderedDict):
        memo[id(value)] = twin = what()
        for key, item in value.items():
            twin[key] = item if type(item) in SHARED else _part(item, memo)
        return twin
    if isinstance(value, nn.Module):
        return _copied(value, memo)
    if what is nn.Parameter or (what is Tensor and value.is_leaf and not value.dim()):
        bare = value.detach().clone()  # as it copies itself, but at once
        memo[id(value)] = bare = nn.Parameter(bare, value.requires_grad) if what is nn.Parameter else bare
        return bare
    if what is tuple and SHARED.issuperset(map(type, value)):
        return value
    if what in (list, set) and SHARED.issuperset(map(type, value)):
        return memo.setdefault(id(value), what(value))
    return copy.deepcopy(value, memo)
