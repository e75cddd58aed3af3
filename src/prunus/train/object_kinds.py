"""The kinds of objects whose state can be written down: numbers, containers, tensors, generators, functions."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunus.train.object_state import (
    MISSING,
    Loader,
    NotRestorableError,
    ObjectKind,
    Saver,
    register,
    storage_of,
    type_name,
)

SCALARS = (type(None), bool, int, float, str)
NEW_DICTS = {"builtins.dict": dict, "collections.OrderedDict": OrderedDict, "collections.Counter": Counter}
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
TABLES_OF_HOOKS = frozenset(name for name, value in vars(nn.Module()).items() if "_hooks" in name and value == {})


class Scalar(ObjectKind):
    """A number, a text, None."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: ARG002, D102
        return value

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: ARG002, D102
        return saved


class Sequence(ObjectKind):
    """A list or a queue, changed in place where there is one."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        for index, item in enumerate(value):
            saver.save(f"{path}[{index}]", item)
        return [len(value), getattr(value, "maxlen", None), isinstance(value, deque)]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        count, longest, is_queue = saved
        type_ = deque if is_queue else list
        # In place where there is one: others may hold the same list, and go on seeing it.
        target = old if type(old) is type_ else deque(maxlen=longest) if is_queue else []
        # Before its items: one of them may lead back to it.
        loader.made[path] = target
        before = list(target)
        items = [
            loader.load(f"{path}[{index}]", before[index] if index < len(before) else MISSING) for index in range(count)
        ]
        target.clear()
        target.extend(items)
        return target


class FixedSequence(ObjectKind):
    """A tuple, named ones included."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        for index, item in enumerate(value):
            saver.save(f"{path}[{index}]", item)
        return [len(value), type_name(value)]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        count, name = saved
        before = old if isinstance(old, tuple) else ()
        items = [
            loader.load(f"{path}[{index}]", before[index] if index < len(before) else MISSING) for index in range(count)
        ]
        if old is not MISSING and type_name(old) == name and all(map(_same, items, before)) and len(before) == count:
            return old
        if name == "builtins.tuple":
            return tuple(items)
        if old is MISSING or type_name(old) != name:
            raise NotRestorableError.at(path, name)
        return type(old)._make(items) if hasattr(old, "_make") else type(old)(items)


class Dictionary(ObjectKind):
    """A dictionary whose keys are numbers and texts."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        keys = [_key(key) for key in value]
        if None in keys:
            return [type_name(value), None]
        for key, item in value.items():
            saver.save(f"{path}[{key!r}]", item)
        return [type_name(value), keys]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        name, keys = saved
        if keys is None or ((old is MISSING or type_name(old) != name) and name not in NEW_DICTS):
            return _opaque(old, name, path)
        target = old if old is not MISSING and type_name(old) == name else NEW_DICTS[name]()
        loader.made[path] = target
        _fill(target, [_unkey(key) for key in keys], path, loader, "[{!r}]")
        return target


class Collection(ObjectKind):
    """A set of numbers and texts."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: ARG002, D102
        keys = [_key(item) for item in value]
        return [type_name(value), None if None in keys else sorted(keys, key=repr)]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: ARG002, D102
        name, keys = saved
        if keys is None:
            return _opaque(old, name, path)
        items = [_unkey(key) for key in keys]
        if not isinstance(old, set):
            return frozenset(items) if name == "builtins.frozenset" else set(items)
        if old != set(items):  # the order in which it is walked through stays, where nothing has changed
            old.clear()
            old.update(items)
        return old


class TensorKind(ObjectKind):
    """A tensor: one that is stored elsewhere by name, a view of one by its place there, any other by its content."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        if id(value) in saver.names:
            return {"named": saver.names[id(value)]}
        if value.layout != torch.strided or value.is_meta or value.is_quantized or nn.parameter.is_lazy(value):
            return {"opaque": type_name(value)}
        found: dict[str, Any] = {
            "size": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "device": str(value.device),
        }
        found |= {"parameter": isinstance(value, nn.Parameter), "requires_grad": value.requires_grad and value.is_leaf}
        # It shares memory with a parameter or buffer: its content comes with that, and stays shared.
        if (base := saver.storages.get(storage_of(value))) and storage_of(value):
            return found | {"view": base, "stride": list(value.stride()), "offset": value.storage_offset()}
        if value.is_complex():
            return {"opaque": type_name(value)}
        saver.keep(path, value)
        return found | {"stride": list(torch.empty_like(value, device="meta").stride())}

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if "named" in saved:
            return loader.named[saved["named"]]
        if "opaque" in saved:
            return _opaque(old, saved["opaque"], path)
        if "view" in saved:
            base = loader.named[saved["view"]].detach()
            return base.as_strided(saved["size"], saved["stride"], saved["offset"])
        content = loader.tensors.get(path)
        if content is None:
            if old is MISSING:
                raise NotRestorableError.at(path, "torch.Tensor")
            return old
        # In place where nothing else would be written over, so that whoever holds the tensor has it too.
        if _takes(old, saved) and storage_of(old) not in loader.storages:
            with torch.no_grad():
                return old.copy_(content)
        made = torch.empty_strided(saved["size"], saved["stride"], dtype=content.dtype, device=saved["device"])
        made.copy_(content)
        return (
            nn.Parameter(made, saved["requires_grad"])
            if saved["parameter"]
            else made.requires_grad_(saved["requires_grad"])
        )


class Array(ObjectKind):
    """A NumPy array, or a single number of NumPy's."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        if value.dtype.hasobject:
            return None
        array = np.ascontiguousarray(value)
        saver.keep(path, torch.from_numpy(array.reshape(-1).view(np.uint8).copy()))
        return [value.dtype.str, list(value.shape), isinstance(value, np.generic)]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        content = loader.tensors.get(path)
        if saved is None or content is None:
            return _opaque(old, "numpy.ndarray", path)
        dtype, shape, single = saved
        array = content.numpy().view(np.dtype(dtype)).reshape(shape)
        if single:
            return array[()]
        if isinstance(old, np.ndarray) and (old.dtype, list(old.shape)) == (array.dtype, shape) and old.flags.writeable:
            old[...] = array
            return old
        return array.copy()


class TorchGenerator(ObjectKind):
    """A generator of torch's."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        saver.keep(path, value.get_state())
        return str(value.device)

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        generator = old if isinstance(old, torch.Generator) else torch.Generator(saved)
        if path in loader.tensors:
            generator.set_state(loader.tensors[path])
        return generator


class NumpyGenerator(ObjectKind):
    """A generator of NumPy's, of the newer or the older kind."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        old_kind = isinstance(value, np.random.RandomState)
        state = value.get_state(legacy=False) if old_kind else value.bit_generator.state
        saver.save(f"{path}.state", state)
        return [old_kind, state["bit_generator"]]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        old_kind, name = saved
        state = loader.load(f"{path}.state")
        if old_kind:
            generator = old if isinstance(old, np.random.RandomState) else np.random.RandomState()
            generator.set_state(state)
            return generator
        if not isinstance(old, np.random.Generator):
            if name not in BIT_GENERATORS:
                raise NotRestorableError.at(path, name)
            old = np.random.Generator(getattr(np.random, name)())
        old.bit_generator.state = state
        return old


class PythonGenerator(ObjectKind):
    """A generator of Python's own module `random`."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: ARG002, D102
        version, numbers, rest = value.getstate()
        return [version, list(numbers), rest]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: ARG002, D102
        generator = old if isinstance(old, random.Random) else random.Random()  # noqa: S311  # no secret
        version, numbers, rest = saved
        generator.setstate((version, tuple(numbers), rest))
        return generator


class Function(ObjectKind):
    """A function of the user's: the variables that it shares with others, its defaults and its attributes."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        if _package(value) in ("torch", "prunus") or _package(value) in sys.stdlib_module_names:
            return None
        names = [name for name, cell in _cells(value) if _is_set(cell)]
        for name, cell in _cells(value):
            if name in names:
                saver.save(f"{path}.{name}", cell.cell_contents)
        for name in ("__defaults__", "__kwdefaults__", "__dict__"):
            saver.save(f"{path}.{name}", getattr(value, name))
        return names

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if not isinstance(old, types.FunctionType):
            raise NotRestorableError.at(path, "function")
        if saved is None:
            return old
        loader.made[path] = old
        for name, cell in _cells(old):
            if name in saved:
                cell.cell_contents = loader.load(f"{path}.{name}", cell.cell_contents if _is_set(cell) else MISSING)
        for name in ("__defaults__", "__kwdefaults__"):
            setattr(old, name, loader.load(f"{path}.{name}", getattr(old, name)))
        loader.load(f"{path}.__dict__", vars(old))
        return old


class Bound(ObjectKind):
    """A bound method or a partial function: what it is bound to."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        for name, inner in _bound_to(value):
            saver.save(f"{path}.{name}", inner)
        return type_name(value)

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if old is MISSING or type_name(old) != saved:
            raise NotRestorableError.at(path, saved)
        loader.made[path] = old
        for name, inner in _bound_to(old):
            loader.load(f"{path}.{name}", inner)
        return old


class Class(ObjectKind):
    """A class of the user's: its attributes, and what its functions share."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        names = [name for name in vars(value) if not _is_special(name)] if saver.is_own(value) else []
        for name in names:
            saver.save(f"{path}.{name}", vars(value)[name])
        return names

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if not isinstance(old, type):
            raise NotRestorableError.at(path, "type")
        loader.made[path] = old
        for name in saved:
            before = vars(old).get(name, MISSING)
            after = loader.load(f"{path}.{name}", before)
            if not _same(after, before):
                setattr(old, name, after)
        return old


class Object(ObjectKind):
    """Any other object with attributes; networks are such, with their buffers and hooks."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        # Attributes of a class are state as well: a counter may be `Net.calls`.
        classes = [each for each in type(value).__mro__ if saver.is_own(each)]
        for each in classes:
            saver.save(f"{path}.<{each.__qualname__}>", each)
        for name, inner in vars(value).items():
            saver.save(f"{path}.{name}", Hooks(inner) if _are_hooks(value, name) else inner)
        return [type_name(value), list(vars(value)), [each.__qualname__ for each in classes]]

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        name, attributes, classes = saved
        if old is MISSING or type_name(old) != name:
            raise NotRestorableError.at(path, name)
        loader.made[path] = old
        by_name = {each.__qualname__: each for each in type(old).__mro__}
        for each in classes:
            loader.load(f"{path}.<{each}>", by_name[each])
        hooks = {key: table for key, table in vars(old).items() if _are_hooks(old, key)}
        for key, table in hooks.items():
            vars(old)[key] = Hooks(table)
        try:
            _fill(vars(old), attributes, path, loader, ".{}")
        finally:
            vars(old).update(hooks)
        return old


class Hooks:
    """One of a module's tables of hooks, while it is written down or put back."""

    def __init__(self, table: dict[int, Any]) -> None:
        self.table = table


class HooksKind(ObjectKind):
    """Hooks go by their order: their keys count all hooks of a process, and are others in the next one."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        for place, hook in enumerate(value.table.values()):
            saver.save(f"{path}[{place}]", hook)
        return len(value.table)

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if old is MISSING or len(old.table) != saved:
            raise NotRestorableError.at(path, "hook")
        for place, (key, hook) in enumerate(old.table.items()):
            old.table[key] = loader.load(f"{path}[{place}]", hook)
        return old


class Module(ObjectKind):
    """A module: one of the user's has its variables as state."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: D102
        own = value in saver.own_modules.values()
        names = [name for name in vars(value) if not _is_special(name)] if own else []
        for name in names:
            saver.save(f"{path}.{name}", vars(value)[name])
        return names

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: D102
        if not isinstance(old, types.ModuleType):
            raise NotRestorableError.at(path, "module")
        loader.made[path] = old
        for name in saved:
            vars(old)[name] = loader.load(f"{path}.{name}", vars(old).get(name, MISSING))
        return old


class OpaqueObject(ObjectKind):
    """Whatever else there is. It stays as it is; whether that matters, a rehearsal finds out."""

    def save(self, value: Any, path: str, saver: Saver) -> Any:  # noqa: ARG002, D102
        return type_name(value)

    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:  # noqa: ARG002, D102
        return _opaque(old, saved, path)


def _opaque(old: Any, name: str, path: str) -> Any:
    if old is MISSING:
        raise NotRestorableError.at(path, name)
    return old


def _same(one: Any, other: Any) -> bool:
    """Whether it is the same object, or an equal number or text."""
    return one is other or (type(one) in SCALARS and type(one) is type(other) and one == other)


def _fill(target: dict[Any, Any], keys: Iterable[Any], path: str, loader: Loader, form: str) -> None:
    """Give a dictionary these keys in this order; values are changed in place where they can be."""
    new = {key: loader.load(path + form.format(key), target.get(key, MISSING)) for key in keys}
    # Order is state: a forward may walk through the dictionary.
    if list(new) != list(target):
        target.clear()
    target.update(new)


def _key(key: Any) -> Any:
    """A key as JSON holds it; None where it is no number or text."""
    if type(key) in (bool, int, float, str):
        return ["key", key]
    if key is None:
        return ["none"]
    if type(key) is tuple and None not in (parts := [_key(part) for part in key]):
        return ["tuple", parts]
    return None


def _unkey(saved: list[Any]) -> Any:
    if saved[0] == "tuple":
        return tuple(map(_unkey, saved[1]))
    return saved[1] if saved[0] == "key" else None


def _cells(function: Any) -> list[tuple[str, Any]]:
    return list(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


def _is_set(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _bound_to(value: Any) -> list[tuple[str, Any]]:
    names = ("func", "args", "keywords") if isinstance(value, functools.partial) else ("__self__", "__func__")
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _are_hooks(value: object, name: str) -> bool:
    return isinstance(value, nn.Module) and name in TABLES_OF_HOOKS


def _takes(old: Any, saved: dict[str, Any]) -> bool:
    """Whether a tensor can take over a content in place."""
    return (
        type(old) in (Tensor, nn.Parameter, nn.Buffer)
        and not old.is_inference()
        and old.is_leaf
        and list(old.shape) == saved["size"]
        and str(old.dtype) == f"torch.{saved['dtype']}"
        and str(old.device) == saved["device"]
        and list(old.stride()) == saved["stride"]
    )


def _package(value: Any) -> str:
    return (value.__module__ or "").partition(".")[0]


def _has_attributes(type_: type[Any]) -> bool:
    """Whether its objects are entered: threads, files and loggers are no state of a network, nor are graphs."""
    if issubclass(type_, nn.Module):
        return True
    foreign = _package(type_) == "prunus" or _package(type_) in sys.stdlib_module_names
    return not foreign and not type_.__module__.startswith(("torch.fx", "torch._")) and bool(type_.__dictoffset__)


register("scalar", Scalar(), lambda type_: type_ in SCALARS)
register("tensor", TensorKind(), lambda type_: issubclass(type_, Tensor))
register("array", Array(), lambda type_: issubclass(type_, np.ndarray | np.generic))
register("torch generator", TorchGenerator(), lambda type_: issubclass(type_, torch.Generator))
register("numpy generator", NumpyGenerator(), lambda type_: type_ in (np.random.Generator, np.random.RandomState))
register("python generator", PythonGenerator(), lambda type_: type_ is random.Random)
register("sequence", Sequence(), lambda type_: type_ in (list, deque))
register("tuple", FixedSequence(), lambda type_: issubclass(type_, tuple))
register("dictionary", Dictionary(), lambda type_: type_ in (dict, OrderedDict, Counter, defaultdict))
register("set", Collection(), lambda type_: type_ in (set, frozenset))
register("function", Function(), lambda type_: type_ is types.FunctionType)
register("bound", Bound(), lambda type_: type_ in (types.MethodType, functools.partial))
register("class", Class(), lambda type_: issubclass(type_, type))
register("module", Module(), lambda type_: issubclass(type_, types.ModuleType))
register("hooks", HooksKind(), lambda type_: type_ is Hooks)
register("object", Object(), _has_attributes)
register("opaque", OpaqueObject(), lambda _type: True)
