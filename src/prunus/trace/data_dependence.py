"""Where a network is data-dependent: operations whose result, or its size, only a run with these values can tell."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from prunus.graph.node import kind_of
from prunus.ops import OPS
from prunus.system.process_wide import in_turn
from prunus.trace.liveness import unread_locals

READ_BY_PYTHON = frozenset((Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__dlpack__))
"""Methods that hand a tensor's numbers to Python without an operation of torch."""

INDEXING = frozenset((Tensor.__getitem__, Tensor.__setitem__))

ITEMS = frozenset(("item", "_local_scalar_dense"))

_indexing: ContextVar[bool] = ContextVar("_indexing", default=False)
"""Whether what is read of a tensor is an index, which Python does not learn."""


def decides(operation: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """Whether Python or a size learns a tensor's values from what an operation returned.

    What other libraries' operations do is not known, so that they count unless they have a row.
    """
    if not _tensors(args, kwargs) or (_indexing.get() and kind_of(str(operation)) in ITEMS):
        return False
    if any(isinstance(leaf, (bool, int, float, complex)) for leaf in pytree.tree_leaves(result)):
        return True
    if operation.namespace != "aten":
        return kind_of(str(operation)) not in OPS
    return torch.Tag.data_dependent_output in operation.tags or has_size_of_values(operation, args, kwargs)


def has_size_of_values(operation: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether values say how large the result of an operation of ATen is."""
    kind, tensors = kind_of(str(operation)), _tensors(args, kwargs)
    if kind == "index":
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:])
    if kind == "where":
        return len(tensors) == 1 == len(args)
    if kind == "repeat_interleave":
        return len(tensors) > 1 and "output_size" not in kwargs
    return kind == "nonzero_numpy" or torch.Tag.dynamic_output_shape in operation.tags


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]


class SizeOfValuesError(Exception):
    """An operation's result is as large as values say."""


class NoSizesOfValues(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, `SizeOfValuesError` is raised at the first operation whose result is as large as values say.

    running: names and modules that are running, the innermost last.
    """

    def __init__(self, running: list[tuple[str, nn.Module]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._running = running

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.namespace == "aten" and has_size_of_values(func, args, kwargs or {}):
            name = self._running[-1][0]
            place = f"layer '{name}'" if name else "the model's own forward"
            raise SizeOfValuesError(
                f"how large the result of operation {func.overloadpacket.__name__} in {place} is depends on values"
            )
        return func(*args, **(kwargs or {}))


@contextmanager
def as_if_exported() -> Iterator[None]:
    """Within, networks that ask whether they are traced hear that they are, and take the path that can be."""
    flags = ("_is_compiling_flag", "_is_exporting_flag")
    with in_turn():
        before = {name: getattr(torch.compiler, name) for name in flags if hasattr(torch.compiler, name)}
        try:
            for name in before:
                setattr(torch.compiler, name, True)
            yield
        finally:
            for name, value in before.items():
                setattr(torch.compiler, name, value)


class HeldTensors:
    """The tensors that were made and that somebody still holds: all that code which has not run yet can read."""

    def __init__(self) -> None:
        self._held: dict[int, weakref.ref[Tensor]] = {}  # by id, which belongs to a tensor as long as it lives

    def add(self, tensor: Tensor) -> None:
        """From now on, until nobody holds it or it is taken."""
        key = id(tensor)
        self._held[key] = weakref.ref(tensor, lambda _: self._held.pop(key, None))

    def take(self) -> list[Tensor]:
        """The tensors that were not taken since they were added, but for those that only variables hold which no
        function reads again.
        """
        unread, found = unread_locals(), []
        for reference in list(self._held.values()):
            tensor = reference()
            if tensor is not None and sys.getrefcount(tensor) - ALONE > unread[id(tensor)]:
                found.append(tensor)
        self._held.clear()
        return found


def _references_of_one_variable() -> int:
    tensor = object()
    return sys.getrefcount(tensor)


ALONE = _references_of_one_variable()
"""What Python counts of an object that one local variable holds."""


class Indexing(TorchFunctionMode):
    """Within, a tensor of one number that chooses a position of another one decides nothing: it is no size, and Python
    does not learn it.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in INDEXING or _has_range(args[1]):
            return func(*args, **(kwargs or {}))
        token = _indexing.set(True)
        try:
            return func(*args, **(kwargs or {}))
        finally:
            _indexing.reset(token)


def _has_range(index: Any) -> bool:
    """Whether a tensor says how long a part is."""
    parts = index if isinstance(index, (tuple, list)) else (index,)
    return any(isinstance(part, slice) and _tensors((part.start, part.stop, part.step), {}) for part in parts)


@contextmanager
def reading(tell: Callable[[str], None]) -> Iterator[None]:
    """Within, whoever reads a tensor's numbers past torch is told of, by the method's name, before it happens."""

    class Reading(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            if func in READ_BY_PYTHON:
                tell(func.__name__)
            return func(*args, **(kwargs or {}))

    with Reading():
        yield
