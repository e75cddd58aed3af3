"""A model and its inputs as shapes alone: a copy on the meta device, where running it takes next to no time."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils import _pytree as pytree

from prunus.ops import result_without_values
from prunus.system.process_wide import in_turn
from prunus.trace.copying import Instead
from prunus.trace.inventory import held_tensors, paths_of

META = torch.device("meta")
COMPILED = "_compiled_call_impl"
"""The attribute of a module that is called instead of it, where it is there."""


class NeedsValuesError(Exception):
    """Shapes alone do not tell what the model does."""


@dataclass(frozen=True)
class Shapes:
    """A copy of a model, and of what it is called with, without values.

    held: the names of the model's own tensors, each with its values; a shared one has its first name.
    stand_ins: id of such a tensor, or of an input -> the one that stands in its place.
    device: where all of them are.
    """

    model: nn.Module
    inputs: Any
    held: dict[str, Tensor]
    stand_ins: Instead
    device: torch.device


def shapes_of(model: nn.Module, inputs: Any, copied: Callable[[nn.Module, Instead], nn.Module]) -> Shapes:
    """The model and nested inputs without values; `NeedsValuesError` if they are not plain tensors on one device."""
    held: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in held_tensors(model).items():
        held.setdefault(id(tensor), (name, tensor))
    given = [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, Tensor)]
    tensors = [*(tensor for _, tensor in held.values()), *given]
    devices = {tensor.device for tensor in tensors}
    if len(devices) != 1:
        raise NeedsValuesError(f"tensors on {len(devices)} devices")
    stand_ins = {id(tensor): _without_values(tensor) for tensor in tensors}
    return Shapes(
        model=copied(model, stand_ins),
        inputs=pytree.tree_map(lambda leaf: stand_ins[id(leaf)] if isinstance(leaf, Tensor) else leaf, inputs),
        held=dict(held.values()),
        stand_ins=stand_ins,
        device=devices.pop(),
    )


def _without_values(tensor: Tensor) -> Tensor:
    if type(tensor) not in (Tensor, nn.Parameter):
        raise NeedsValuesError(f"a tensor of type {type(tensor).__name__}")
    bare = torch.empty_like(tensor, device=META)
    return nn.Parameter(bare, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare


def run(operation: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of an operation on tensors without values, which has none either, also where one is made anew."""
    result = result_without_values(operation, args, kwargs)
    if result is None:
        result = operation(*args, **kwargs)
    return result.to(META) if isinstance(result, Tensor) and not result.is_meta else result


def uncompiled() -> AbstractContextManager[None]:
    """Within, nothing is compiled. Where nobody has brought in the compiler, which takes a second, nothing will be."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


@contextmanager
def apart() -> Iterator[None]:
    """A run that leaves nothing behind and hides nothing: all random numbers are drawn again afterwards, nothing is
    compiled, and encoder layers are not computed as one operation.
    """
    with in_turn(), ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices()))
        stack.enter_context(uncompiled())
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _cuda_devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]


@contextmanager
def following(model: nn.Module) -> Iterator[list[tuple[str, nn.Module]]]:
    """The modules that are running, with their names, the innermost last; the model itself comes first.

    Each is called by way of what `nn.Module` calls where it is compiled: hooks on all modules take ten times as long.
    """
    running = [("", model)]

    def follow(name: str, module: nn.Module) -> Callable[..., Any]:
        run: Callable[..., Any] = module._call_impl

        def call(*args: Any, **kwargs: Any) -> Any:
            running.append((name, module))
            try:
                return run(*args, **kwargs)
            finally:
                running.pop()

        return call

    modules = [(name, module, vars(module).get(COMPILED)) for name, module in paths_of(model)]
    for name, module, _ in modules:
        vars(module)[COMPILED] = follow(name, module)
    try:
        yield running
    finally:
        for _, module, before in modules:
            if before is None:
                del vars(module)[COMPILED]
            else:
                vars(module)[COMPILED] = before
