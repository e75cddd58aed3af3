"""What plain Python objects hold, written down without pickle and put back into objects of the same structure.

Everything is found by following references from named roots, and is known by its path: `model.layers.0.step`. A tree of
such paths is data (JSON and tensors) that can be compared and stored. Loading never makes an object of a class that the
data names: it changes the objects that are there, and makes numbers, texts, containers, tensors and generators alone.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from prunus.errors import PrunusError

Node = list[Any]
"""The name of a kind, and what it wrote down of an object."""

MISSING = object()
"""In the place of an object where there is none yet."""

SEEN = "seen"
MOST_NODES = 2_000_000


class NotRestorableError(PrunusError):
    """An object cannot be written down, or not be put back where it was."""

    @classmethod
    def at(cls, path: str, kind: str) -> NotRestorableError:
        """What to say of a place that holds an object of this kind."""
        why = "such an object cannot be written into a checkpoint"
        return cls(f"{path} holds an object of the type {kind}", why, "keep numbers, tensors or generators there")


class ObjectKind(ABC):
    """How objects of some types are written down, and put back."""

    @abstractmethod
    def save(self, value: Any, path: str, saver: Saver) -> Any:
        """What is written down, as JSON takes it; tensors and inner objects are given to the saver."""

    @abstractmethod
    def load(self, saved: Any, old: Any, path: str, loader: Loader) -> Any:
        """The object that was written down; `old` itself, changed in place, wherever that can be."""


KINDS: dict[str, ObjectKind] = {}
"""By the name that stands in a node."""

KIND_OF_TYPE: list[tuple[Callable[[type[Any]], bool], str]] = []
"""Tried in order: the first that says yes to a type decides."""


def register(name: str, kind: ObjectKind, fits: Callable[[type[Any]], bool]) -> None:
    """Have objects of the types that fit handled by a kind, where none before it has taken them."""
    KINDS[name] = kind
    KIND_OF_TYPE.append((fits, name))


_FOUND: dict[type[Any], str] = {}


def kind_of(type_: type[Any]) -> str:
    """The name of the kind that handles objects of a type."""
    if type_ not in _FOUND:
        _FOUND[type_] = next(name for fits, name in KIND_OF_TYPE if fits(type_))
    return _FOUND[type_]


def type_name(value: object) -> str:
    """The full name of an object's type, by which it is compared."""
    type_ = type(value)
    return f"{type_.__module__}.{type_.__qualname__}"


class Saver:
    """Walks through objects and writes them down.

    named: tensors that are stored elsewhere, by name; what refers to one, or is a view of one, is told by that name.
    constants: fingerprints of an earlier walk; a tensor that still has its own is not stored again.
    nodes, tensors, fingerprints: what was found, by path.
    """

    def __init__(
        self, named: Mapping[str, Tensor], own_modules: Mapping[str, ModuleType], constants: Mapping[str, int] | None
    ) -> None:
        self.names = {id(tensor): name for name, tensor in named.items()}
        self.storages = {pointer: name for name, tensor in named.items() if (pointer := storage_of(tensor))}
        self.own_modules = own_modules
        self.constants = constants
        self.nodes: dict[str, Node] = {}
        self.tensors: dict[str, Tensor] = {}
        self.fingerprints: dict[str, int] = {}
        self._seen: dict[int, str] = {}
        self._alive: list[object] = []  # an object that is gone could give its id to another

    def save(self, path: str, value: Any) -> None:
        """Write an object down, and all that it leads to."""
        kind = kind_of(type(value))
        if kind == "scalar":
            self.nodes[path] = [kind, value]
            return
        if id(value) in self._seen:
            self.nodes[path] = [SEEN, self._seen[id(value)]]
            return
        if len(self.nodes) > MOST_NODES:
            raise NotRestorableError(f"{path} leads to too many objects", f"more than {MOST_NODES:,} were found", "")
        self._seen[id(value)] = path
        self._alive.append(value)
        self.nodes[path] = [kind, None]  # in the order of the walk, in which they are loaded
        self.nodes[path][1] = KINDS[kind].save(value, path, self)

    def keep(self, path: str, tensor: Tensor) -> None:
        """Store a tensor's content under a path, unless it is what it was at first."""
        plain = tensor.detach().cpu().contiguous()
        self.fingerprints[path] = zlib.crc32(plain.reshape(-1).view(torch.uint8).numpy().data)
        if self.constants is not None and self.constants.get(path) != self.fingerprints[path]:
            self.tensors[path] = plain.clone() if plain.data_ptr() == tensor.data_ptr() else plain

    def is_own(self, class_: type[Any]) -> bool:
        """Whether a class was written by the user, so that its attributes may be state."""
        return class_.__module__ in self.own_modules


class Loader:
    """Puts back what a `Saver` wrote down, in the same order."""

    def __init__(self, nodes: Mapping[str, Node], tensors: Mapping[str, Tensor], named: Mapping[str, Tensor]) -> None:
        self.nodes, self.tensors, self.named = nodes, tensors, named
        self.storages = {storage_of(tensor) for tensor in named.values()}
        self.made: dict[str, Any] = {}

    def load(self, path: str, old: Any = MISSING) -> Any:
        """What belongs at a path; raises `NotRestorableError` where it cannot be made."""
        kind, saved = self.nodes[path]
        if kind == SEEN:
            return self.made[saved]
        if old is not MISSING and old is not None and not _may_become(old, kind, saved):
            raise NotRestorableError.at(path, f"{type_name(old)}, where there was a {kind}")
        value = KINDS[kind].load(saved, old, path, self)
        self.made[path] = value
        return value


NUMBERS = ("tensor", "array")


def _may_become(old: Any, kind: str, saved: Any) -> bool:
    """Whether what is written down can have come of an object: a number of a number, anything else of its own kind."""
    before = kind_of(type(old))
    if before == "scalar" and kind == "scalar":
        return isinstance(old, str) == isinstance(saved, str) and saved is not None
    is_number = (before == "scalar" and not isinstance(old, str)) or before in NUMBERS
    becomes_number = (kind == "scalar" and isinstance(saved, (bool, int, float))) or kind in NUMBERS
    return before == kind or (is_number and becomes_number)


def storage_of(tensor: Tensor) -> int:
    """The address of a tensor's memory; 0 where it has none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # sparse tensors and those of other subclasses have none
        return 0
