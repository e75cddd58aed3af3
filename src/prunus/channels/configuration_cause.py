"""Why a class, built from a configuration that fits all sizes, is not the cut network: what it works out by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from prunus.proof import Variation
from prunus.proof.outputs import copied_arguments
from prunus.trace.inventory import held_tensors

Outputs: TypeAlias = Callable[[nn.Module], Sequence[Sequence[Tensor]]]


def cause_of_difference(built: nn.Module, small: nn.Module, outputs: Outputs) -> str | None:
    """Which numbers or tables its class works out otherwise than the cut network has them; None if it is not by these.

    They are the cause where the built network computes the same with those of the cut one.
    """
    try:
        expected = outputs(small)
        for exchanged in (_floats(built, small), _tables(built, small)):
            names = list(exchanged)
            if names and same(outputs(built), expected):
                return f"its class works out {names[0]} from its configuration alone, with another result"
    except Exception:  # a network whose numbers don't fit fails in its own ways
        return None
    return None


def same(one: Sequence[Sequence[Tensor]], other: Sequence[Sequence[Tensor]]) -> bool:
    """Whether networks returned the same in all ways, to the bit."""
    pairs = list(zip(one, other, strict=True))
    return all(len(a) == len(b) and all(map(torch.equal, a, b)) for a, b in pairs)


def _floats(built: nn.Module, small: nn.Module) -> Iterator[str]:
    """Numbers of modules, which the built network gets of the cut one."""
    modules = dict(built.named_modules())
    for path, module in small.named_modules():
        theirs = vars(modules.get(path, module))
        for name, value in vars(module).items():
            if type(value) is float and type(theirs.get(name)) is float and theirs[name] != value:
                yield f"'{path}.{name}' ({value:.6g} here, {theirs[name]:.6g} there)"
                theirs[name] = value


def _tables(built: nn.Module, small: nn.Module) -> Iterator[str]:
    """Tensors, likewise, such as tables of sinusoids."""
    ours = held_tensors(small)
    for name, tensor in held_tensors(built).items():
        if name in ours and tensor.shape == ours[name].shape and not torch.equal(tensor, ours[name]):
            yield repr(name)
            tensor.data.copy_(ours[name])


class _Reading(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, it is noted of which memory something is read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memory: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        leaves = pytree.tree_leaves((args, kwargs))
        self.memory |= {leaf.untyped_storage().data_ptr() for leaf in leaves if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))


def never_read(network: nn.Module, ways: Sequence[Variation]) -> frozenset[str]:
    """The tensors of a network that nothing reads when it is called in these ways."""
    reading = _Reading()
    with reading:
        for way in ways:
            way.outputs(network, copied_arguments(way.call, False))
    held = held_tensors(network).items()
    return frozenset(name for name, tensor in held if tensor.untyped_storage().data_ptr() not in reading.memory)
