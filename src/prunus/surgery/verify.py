"""Proof by execution: the shrunk model computes what the masked one computes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError, PrunusError
from prunus.graph.copying import Instead, evaluating, exact_copy
from prunus.graph.inventory import held_tensors
from prunus.graph.results import plain
from prunus.graph.shapes import uncompiled
from prunus.graph.trace import Call, as_call
from prunus.surgery.tensors import anew, own

LIMIT = 1e-5

LARGE = 2**25 - 2**13
"""Bytes of nearly the largest block that tells glibc's malloc how much to keep when it is freed."""


class DifferenceError(PrunusError):
    """Masked and shrunk model do not agree: the cut is refused."""


class Proof:
    """What a masked network computes on random inputs, worked out once, whatever number of networks it is held against.

    masked: makes the network, with tensors of its own, in double precision or not.
    """

    def __init__(self, masked: Callable[[bool], nn.Module], example_inputs: Any, limit: float = LIMIT) -> None:
        self._masked = masked
        self._arguments = random_like(as_call(example_inputs))
        self._limit = limit
        self._expected: dict[bool, list[Tensor]] = {}  # in double precision or not

    def deviation(self, shrunk: Callable[[bool], nn.Module]) -> float:
        """Largest difference of the outputs over the largest output; `DifferenceError` above the limit."""
        try:
            found = self._difference(shrunk, double=True)
        except (RuntimeError, TypeError, NotImplementedError):
            found = self._difference(shrunk, double=False)
        if not found <= self._limit:
            raise DifferenceError(
                f"The shrunk model differs from the masked one by {found:.1e} of its largest output",
                f"they part at {_first_difference(self._masked(False), shrunk(False), self._arguments)}",
                "protect that layer, and report this: it is a fault of prunus",
            )
        return found

    def _difference(self, shrunk: Callable[[bool], nn.Module], double: bool) -> float:
        found = self._outputs(shrunk, double)  # first, for it is small and may not run at all
        if double not in self._expected:
            expected = self._outputs(self._masked, double)
            if any(bool(output.isnan().any()) for output in expected):
                raise InputError(
                    "The model computes values that are not a number",
                    "nothing can be compared with them",
                    "look for such values among its weights",
                )
            self._expected[double] = expected
        return relative_difference(self._expected[double], found)

    def _outputs(self, network: Callable[[bool], nn.Module], double: bool) -> list[Tensor]:
        return _outputs(network(double), pytree.tree_map(_double if double else _own, self._arguments))


def verify(masked_model: nn.Module, shrunk_model: nn.Module, example_inputs: Any, limit: float = LIMIT) -> float:
    """Largest difference of the outputs over the largest output, on random inputs of the same shapes.

    Computed in float64 where both models can. Raises `DifferenceError`, which names the layer, above `limit`.
    """
    return Proof(copied(masked_model), example_inputs, limit).deviation(copied(shrunk_model))


def copied(
    model: nn.Module, values: Instead | None = None, held: Mapping[str, Tensor] | None = None
) -> Callable[[bool], nn.Module]:
    """Makes copies of a model, in double precision or not.

    values: id of a tensor -> other values for it. held: the model's tensors, where they are at hand.
    """
    tensors = held_tensors(model) if held is None else held
    return lambda double: exact_copy(model, anew(tensors, values or {}, double))


def keep_what_is_freed() -> None:
    """Have malloc keep memory that one layer is done with for the next, as it does once a large block was freed.

    Else it gives it back time and again, and each page that it then gets anew takes microseconds.
    """
    torch.empty(LARGE, dtype=torch.uint8)


def random_like(call: Call) -> Call:
    """The arguments with normally distributed values in place of real ones; integers and masks stay."""
    generator = torch.Generator().manual_seed(0)

    def fill(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return torch.randn(value.shape, generator=generator, dtype=torch.float32).to(value)
        return value

    filled: Call = pytree.tree_map(fill, call)
    return filled


def _double(value: Any) -> Any:
    """Copies of floating-point and complex tensors in double precision; everything else is copied as it is."""
    return own(value, True) if isinstance(value, Tensor) else copy.deepcopy(value)


def _own(value: Any) -> Any:
    return own(value, False) if isinstance(value, Tensor) else copy.deepcopy(value)


def _outputs(model: nn.Module, arguments: Call) -> list[Tensor]:
    """All tensors that a model returns in evaluation mode, in which it stays.

    What it draws at random is the same for every model. It may write into the arguments.
    """
    args, kwargs = arguments
    with torch.no_grad(), uncompiled(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        result = evaluating(model)(*args, **kwargs)
    return [leaf for leaf in pytree.tree_leaves(plain(result)) if isinstance(leaf, Tensor)]


def relative_difference(expected: list[Tensor], found: list[Tensor]) -> float:
    """Largest difference over the largest finite value; infinite if shapes or infinities differ, or none is.

    >>> relative_difference([torch.tensor([1.0, -4.0])], [torch.tensor([1.0, -3.0])])
    0.25
    """
    if [a.shape for a in expected] != [b.shape for b in found]:
        return float("inf")
    pairs = [(_double(a), _double(b)) for a, b in zip(expected, found, strict=True) if a.numel()]
    if pairs and not any(bool(a.isfinite().any()) for a, _ in pairs):
        return float("inf")
    difference = max((float(torch.where(a == b, 0, a - b).abs().max()) for a, b in pairs), default=0.0)
    largest = max((float(a.abs()[a.isfinite()].max()) for a, _ in pairs if a.isfinite().any()), default=0.0)
    if largest == 0.0:
        return 0.0 if difference == 0.0 else float("inf")
    return difference / largest if difference == difference else float("inf")


def _first_difference(one: nn.Module, other: nn.Module, arguments: Call) -> str:
    """The first leaf module whose output differs in size-independent terms: its largest absolute value."""
    for (name, a), (_, b) in zip(_recorded(one, arguments), _recorded(other, arguments), strict=False):
        if abs(a - b) > 1e-3 * max(a, b, 1e-12):
            return f"layer {name!r}"
    return "the model's own forward"


def _recorded(model: nn.Module, arguments: Call) -> list[tuple[str, float]]:
    """Name and largest absolute output of each leaf module, in order of execution."""
    seen: list[tuple[str, float]] = []

    def record(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.numel():
            seen.append((name, float(output.abs().max())))

    handles = [
        module.register_forward_hook(lambda _module, _input, output, name=name: record(name, output))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        _outputs(model, pytree.tree_map(_own, arguments))
    finally:
        for handle in handles:
            handle.remove()
    return seen
