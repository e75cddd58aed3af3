"""A model and its inputs as shapes alone: a copy on the meta device, where running it takes next to no time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils import _pytree as pytree

from prunus.graph.copying import Instead, held_tensors

META = torch.device("meta")

ACTIVATIONS = frozenset({"relu", "hardtanh", "relu6", "hardswish", "hardsigmoid", "silu", "gelu", "leaky_relu", "elu"})
ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
NORMS = frozenset({"batch_norm", "layer_norm", "rms_norm"})
"""Operations whose result is like their first argument: torch takes up to a millisecond each to find that out."""


class NotImaginableError(Exception):
    """Shapes alone do not tell what the model does."""


@dataclass(frozen=True)
class Shapes:
    """A copy of a model, and of what it is called with, without values.

    held: the names of the model's own tensors, each with its values; a shared one has its first name.
    twins: id of such a tensor, or of an input -> the one that stands in its place.
    device: where all of them are.
    """

    model: nn.Module
    inputs: Any
    held: dict[str, Tensor]
    twins: Instead
    device: torch.device


def shapes_of(model: nn.Module, inputs: Any, copied: Callable[[nn.Module, Instead], nn.Module]) -> Shapes:
    """The model and nested inputs without values; `NotImaginableError` if they are not plain tensors on one device."""
    held: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in held_tensors(model):
        held.setdefault(id(tensor), (name, tensor))
    given = [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, Tensor)]
    tensors = [*(tensor for _, tensor in held.values()), *given]
    devices = {tensor.device for tensor in tensors}
    if len(devices) != 1:
        raise NotImaginableError(f"tensors on {len(devices)} devices")
    twins = {id(tensor): _without_values(tensor) for tensor in tensors}
    return Shapes(
        model=copied(model, twins),
        inputs=pytree.tree_map(lambda leaf: twins[id(leaf)] if isinstance(leaf, Tensor) else leaf, inputs),
        held=dict(held.values()),
        twins=twins,
        device=devices.pop(),
    )


def _without_values(tensor: Tensor) -> Tensor:
    if type(tensor) not in (Tensor, nn.Parameter):
        raise NotImaginableError(f"a tensor of type {type(tensor).__name__}")
    bare = tensor.detach().to(META)
    return nn.Parameter(bare, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare


def run(operation: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of an operation on tensors without values, which has none either, also where one is made anew."""
    name = operation.overloadpacket.__name__
    if name in ACTIVATIONS or (name in NORMS and _fits(name, *args)):
        return _like(args[0], contiguous=name in ("layer_norm", "rms_norm"))
    if name.removesuffix("_") in ACTIVATIONS:
        return args[0]
    if name.removesuffix("_") in ARITHMETIC and _are_alike(*args[:2]):
        return args[0] if name.endswith("_") else _like(args[0])
    result = operation(*args, **kwargs)
    return result.to(META) if isinstance(result, Tensor) and result.device != META else result


def _like(x: Tensor, contiguous: bool = False) -> Tensor:
    """An empty tensor like another one; its numbers in the same order in memory, or in that of its dimensions."""
    return x.new_empty(x.shape) if contiguous or x.is_contiguous() else torch.empty_like(x)


def _are_alike(one: Any, other: Any) -> bool:
    """Whether two real tensors have the same shape, and their numbers the same order in memory."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor) or not one.is_floating_point():
        return False
    return one.dtype == other.dtype and one.shape == other.shape and one.stride() == other.stride()


def _fits(norm: str, x: Tensor, *args: Any) -> bool:
    """Whether its tensors and sizes are those of what a norm is taken of; if not, torch says what is wrong."""
    channels = x.shape[1:2] if norm == "batch_norm" else x.shape[-len(args[0]) :]
    tensors = args[:4] if norm == "batch_norm" else args[1:3]
    sizes = [tensor.shape for tensor in tensors if isinstance(tensor, Tensor)]
    return all(size == channels for size in (sizes if norm == "batch_norm" else (tuple(args[0]), *sizes)))


@contextmanager
def apart() -> Iterator[None]:
    """A run that leaves nothing behind and hides nothing: all random numbers are drawn again afterwards, nothing is
    compiled, and encoder layers are not computed as one operation.
    """
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices()))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _cuda_devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]


@contextmanager
def following(model: nn.Module) -> Iterator[list[tuple[str, nn.Module]]]:
    """The modules that are running, with their names, the innermost last; the model itself comes first."""
    names = {module: name for name, module in model.named_modules()}
    running = [("", model)]

    def enter(module: nn.Module, _: Any) -> None:
        running.append((names[module], module) if module in names else running[-1])

    def leave(*_: Any) -> None:
        running.pop()

    hooks = (register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True))
    try:
        yield running
    finally:
        for hook in hooks:
            hook.remove()
