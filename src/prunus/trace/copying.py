"""Copies of a model that can be changed without a trace in the original."""

from __future__ import annotations

import copy
from collections import ChainMap, OrderedDict
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError
from prunus.trace.inventory import SHARED, modules_of

PLAIN = (nn.Module.__setstate__, _ConvNd.__setstate__)  # ways to be restored that only mend what older versions left
EVERY = frozenset(vars(nn.Module()))  # attributes of every module: flags, and containers that are its own, mostly empty

Instead = Mapping[int, Tensor]
"""The id of a tensor of the model -> what takes its place in the copy."""


def own(tensor: Tensor, double: bool) -> Tensor:
    """A copy of a tensor, in double precision if that is asked for and it is floating-point or complex."""
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    real = tensor.is_floating_point() or tensor.is_complex()
    return tensor.detach().to(wide if double and real else tensor.dtype, copy=True)


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
    clone, modules = exact_copy(model, instead), modules_of(model)
    if any(_has_own_modes(module) for module in modules):
        clone.train()
        for ours, theirs in zip(modules_of(clone), modules, strict=True):
            vars(ours)["training"] = theirs.training
    return clone


def exact_copy(model: nn.Module, instead: Instead | None = None) -> nn.Module:
    """What `copy.deepcopy` gives, several times faster, and also where that fails.

    A tensor with a gradient history is copied without it, as the weight that `weight_norm` of the old kind computes
    before each call. Of an object that can't be copied the attributes are. What has none, such as a lock, a file or
    a frozen table of settings, is shared if it holds no tensors; else `InputError` is raised.
    """
    return _copied(model, dict(instead or {}))


def _copied(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A copy of one module and those below it; classes that copy themselves in their own way do so."""
    kind = type(module)
    if id(module) in memo or not _is_plain(kind):
        clone: nn.Module = _deep_copy(module, memo)
        return clone
    memo[id(module)] = clone = kind.__new__(kind)
    attributes = vars(clone)
    attributes.update(vars(module))
    for name, value in attributes.items():
        what = type(value)
        if what not in SHARED:
            attributes[name] = what() if name in EVERY and not value else _part(value, memo)
    return clone


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
        memo[id(value)] = clone = what()
        for key, item in value.items():
            clone[key] = item if type(item) in SHARED else _part(item, memo)
        return clone
    if isinstance(value, nn.Module):
        return _copied(value, memo)
    if what is nn.Parameter or (what is Tensor and not (value.is_leaf and value.dim())):
        bare = value.detach().clone()  # as it copies itself, but at once, and also with a history
        memo[id(value)] = bare = nn.Parameter(bare, value.requires_grad) if what is nn.Parameter else bare
        return bare
    if what is tuple:
        parts = tuple(item if type(item) in SHARED else _part(item, memo) for item in value)
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
    if what in (list, set):
        items: Any = what()
        memo[id(value)] = items
        add = items.append if what is list else items.add
        for item in value:
            add(item if type(item) in SHARED else _part(item, memo))
        return items
    return _deep_copy(value, memo)


def _deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    attempt: ChainMap[int, Any] = ChainMap({}, memo)  # of a copy that fails, nothing may stay in the memo
    # `deepcopy` keeps what it copied alive in a list under the memo's own id. No other object may take that id over,
    # and one that had it before and is gone may not be found there.
    attempt[id(attempt)] = [attempt]
    try:
        clone = copy.deepcopy(value, attempt)  # type: ignore[arg-type]
        memo.update(attempt.maps[0])
        return clone
    except Exception as error:  # whatever an object raises that is not meant to be copied
        if (bare := _bare(value)) is not None:
            memo[id(value)] = bare
            for name, item in vars(value).items():
                vars(bare)[name] = item if type(item) in SHARED else _part(item, memo)
            return bare
        if _holds_tensors(value, set()):
            raise InputError(
                f"An object of type {type(value).__name__} can't be copied",
                str(error).splitlines()[0] if str(error) else type(error).__name__,
                "it holds tensors, of which a pruned network needs its own: take it out of the network",
            ) from None
        memo[id(value)] = value
        return value


def _bare(value: Any) -> Any:
    """An object of the same class without attributes; None where these are not all that it holds."""
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace.__new__(type(value))
    try:
        return object.__new__(type(value)) if hasattr(value, "__dict__") else None
    except TypeError:  # such as a dictionary, or a lock
        return None


def _holds_tensors(value: Any, seen: set[int]) -> bool:
    """Whether there is a tensor or a module in an object, as far as its attributes and items tell."""
    if isinstance(value, (Tensor, nn.Module)):
        return True
    if id(value) in seen or type(value) in SHARED or isinstance(value, (type, ModuleType)):
        return False
    seen.add(id(value))
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple, set)) else ()
    held = list(getattr(value, "__dict__", {}).values())
    return any(_holds_tensors(item, seen) for item in (*items, *held))
