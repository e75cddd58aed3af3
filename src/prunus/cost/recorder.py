"""Watching a model run: every operation is counted, ignored or reported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from prunus.cost.counted import COUNTED
from prunus.cost.ignored import is_ignored
from prunus.cost.origins import Origin, Origins
from prunus.cost.product import Factor, Product
from prunus.graph.shapes import NotImaginableError, run

BY_DEVICE = ("aten.lstm",)
"""Composite operations that are made of other ones on a device without values."""


@dataclass(frozen=True, eq=False)
class Call:
    """One product that was computed, in which module, and with which weight."""

    module: str
    product: Product
    weight: Factor | None
    origin: Origin | None


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the calls of a model's run, and the operations that it does not know.

    running: names and modules that are running, the innermost last.
    imagined: the tensors have no values; an operation that would write into one of the model's own raises
    `NotImaginableError` before it does.
    """

    def __init__(self, origins: Origins, running: list[tuple[str, nn.Module]], *, imagined: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.origins = origins
        self.imagined = imagined
        self.calls: list[Call] = []
        self.not_counted: Counter[str] = Counter()
        self._running = running

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(func.overloadpacket)
        rule = COUNTED.get(name)
        if self.imagined and name in BY_DEVICE:
            raise NotImaginableError(name)
        if rule is None and not is_ignored(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self.not_counted[name] += 1
        operands = _tensors((args, kwargs))
        if self.imagined:
            self._refuse_to_write(func, args, kwargs)
        result = run(func, args, kwargs) if self.imagined else func(*args, **kwargs)
        if rule is None:
            self.origins.pass_on(operands, _tensors(result))
        else:
            self.calls += [self._call(product) for product in rule(args, result)]
            self.origins.mark_activations(_tensors(result))
        return result

    def _call(self, product: Product) -> Call:
        module, _ = self._running[-1]
        for factor in reversed(product.factors):
            if origin := self.origins.of(factor.tensor):
                return Call(module, product, factor, origin)
        return Call(module, product, None, None)

    def _refuse_to_write(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if any(self.origins.owns(tensor) for tensor in _tensors(_written(func, args, kwargs))):
            raise NotImaginableError(str(func))


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors among nested arguments or results of an operation."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _written(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments that an operation changes in place."""
    if not func._schema.is_mutable:
        return []
    return [
        args[place] if place < len(args) else kwargs.get(argument.name)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
