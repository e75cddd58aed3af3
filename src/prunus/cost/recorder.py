"""Watching a model run: every operation is counted, ignored or reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prunus.cost.counted import COUNTED
from prunus.cost.ignored import is_ignored
from prunus.cost.origins import Origin, Origins
from prunus.cost.product import Factor, Product

BATCH_NORM = ("aten.native_batch_norm", "aten._native_batch_norm_legit_no_training")


class NotImaginableError(Exception):
    """The run writes into a real tensor or asks for a value, so that shapes alone do not do."""


@dataclass(frozen=True, eq=False)
class Call:
    """One product that was computed, in which module, and with which weight."""

    module: str
    product: Product
    weight: Factor | None
    origin: Origin | None


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the calls of a model's run, and the operations that it does not know.

    imagined: the activations are fake and all else is real; an operation that would write activations into a real
    tensor, or anything into one of the model's own, raises `NotImaginableError` before it does.
    """

    def __init__(self, origins: Origins, *, imagined: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.origins = origins
        self.imagined = imagined
        self.calls: list[Call] = []
        self.not_counted: Counter[str] = Counter()
        self._running: list[str] = [""]

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(func.overloadpacket)
        rule = COUNTED.get(name)
        if rule is None and not is_ignored(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self.not_counted[name] += 1
        operands = _tensors((args, kwargs))
        if self.imagined:
            self._refuse_to_write(func, args, kwargs, operands)
        result = _batch_norm(args[0]) if self.imagined and name in BATCH_NORM else func(*args, **kwargs)
        if rule is None:
            self.origins.pass_on(operands, _tensors(result))
        else:
            self.calls += [self._call(product) for product in rule(args, result)]
            self.origins.mark_activations(_tensors(result))
        return result

    def _call(self, product: Product) -> Call:
        for factor in reversed(product.factors):
            if origin := self.origins.of(factor.tensor):
                return Call(self._running[-1], product, factor, origin)
        return Call(self._running[-1], product, None, None)

    def _refuse_to_write(
        self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], operands: list[Tensor]
    ) -> None:
        with_activations = any(isinstance(operand, FakeTensor) for operand in operands)
        for tensor in _tensors(_written(func, args, kwargs)):
            if not isinstance(tensor, FakeTensor) and (with_activations or self.origins.owns(tensor)):
                raise NotImaginableError(str(func))

    @contextmanager
    def following(self, model: nn.Module) -> Iterator[None]:
        """Know which module is running."""
        names = {module: name for name, module in model.named_modules()}

        def enter(module: nn.Module, _: Any) -> None:
            self._running.append(names.get(module, self._running[-1]))

        def leave(*_: Any) -> None:
            self._running.pop()

        hooks = (register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True))
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()


def _batch_norm(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What it gives in evaluation, imagined without the twenty operations that it is made of."""
    empty = x.new_empty(0)
    return torch.empty_like(x), empty, empty


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _written(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments that an operation changes in place."""
    return [
        args[place] if place < len(args) else kwargs.get(argument.name)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
