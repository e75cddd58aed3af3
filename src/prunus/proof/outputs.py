"""What a network returns on some arguments, and how far two networks' results are apart."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from prunus.trace.copying import evaluating, exact_copy, own
from prunus.trace.data_dependence import HeldTensors, Indexing, decides
from prunus.trace.inventory import held_tensors
from prunus.trace.results import plain
from prunus.trace.shapes import apart
from prunus.trace.trace import Call

DROPOUTS = frozenset(
    name + in_place
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
    for in_place in ("", "_")
) | {"feature_dropout", "feature_dropout_"}
ATTENTION = "scaled_dot_product_attention"


class WithoutDropout(TorchFunctionMode):
    """Within, dropout passes on what it is given: training can be compared that would throw dice."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        name = getattr(func, "__name__", "").partition(".")[0]  # an operation of ATen is called `dropout.default`
        if name in DROPOUTS:
            return args[0] if args else named["input"]
        if name == ATTENTION:
            args, named = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args, {**named}
            named.pop("dropout_p", None)
        return func(*args, **named)


def outputs_of(model: nn.Module, call: Call, train: bool = False, at_decisions: bool = False) -> list[Tensor]:
    """All tensors that a model returns in evaluation mode, in which it stays, or in training mode without dropout.

    What it draws at random is the same for every model. It may write into the arguments; what training changes, such as
    running means, changes in a copy.
    at_decisions: also those that are held wherever values decide what follows, before what it returns.
    """
    seen = Decisions()
    with running(train), _compared_with(seen) if at_decisions else contextlib.nullcontext():
        args, kwargs = call
        result = (sharing_parameters(model).train() if train else evaluating(model))(*args, **kwargs)
    return [*seen.values, *(leaf for leaf in pytree.tree_leaves(plain(result)) if isinstance(leaf, Tensor))]


class Decisions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, the values are kept that are held wherever its control flow depends on data, each once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values: list[Tensor] = []
        self._held = HeldTensors()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.is_floating_point():
                self._held.add(leaf)
        if decides(func, args, kwargs or {}, result):
            self.values += [tensor.clone() for tensor in self._held.take()]
        return result


@contextlib.contextmanager
def _compared_with(seen: Decisions) -> Iterator[None]:
    """Within, what is held at decisions is seen. In inference, as when it was recorded: there a view does not hold the
    tensor that it looks at.
    """
    with torch.inference_mode(), Indexing(), seen:
        yield


class Rounding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, every operation's result is off by another few units in its last place."""

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._draws = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor) or not result.is_floating_point() or func.is_view or func._schema.is_mutable:
            return result
        off = torch.rand(result.shape, generator=self._draws, dtype=torch.float64) - 0.5
        return result * (1 + 4 * torch.finfo(result.dtype).eps * off.to(result))


def sharing_parameters(model: nn.Module) -> nn.Module:
    """A copy with buffers and modes of its own, and the same parameters."""
    return exact_copy(model, {id(t): t for t in held_tensors(model).values() if isinstance(t, nn.Parameter)})


@contextlib.contextmanager
def running(train: bool = False) -> Iterator[None]:
    """Within, networks run without gradients, without a compiler, and draw the same random numbers."""
    with apart(), torch.no_grad():
        torch.default_generator.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        with WithoutDropout() if train else contextlib.nullcontext():
            yield


def copied_arguments(call: Call, double: bool) -> Call:
    """Arguments with memory of their own, floating-point ones in double precision or not."""

    def copied(value: Any) -> Any:
        return own(value, double) if isinstance(value, Tensor) else copy.deepcopy(value)

    copies: Call = pytree.tree_map(copied, call)
    return copies


def random_like(call: Call, seed: int = 0) -> Call:
    """The arguments with normally distributed values in place of real ones; integers and masks stay."""
    generator = torch.Generator().manual_seed(seed)

    def fill(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return torch.randn(value.shape, generator=generator, dtype=torch.float32).to(value)
        return value

    filled: Call = pytree.tree_map(fill, call)
    return filled


def relative_difference(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """Largest difference over the largest finite value; infinite if shapes or infinities differ, or none is.

    >>> relative_difference([torch.tensor([1.0, -4.0])], [torch.tensor([1.0, -3.0])])
    0.25
    """
    if [a.shape for a in expected] != [b.shape for b in found]:
        return float("inf")
    pairs = [(own(a, True), own(b, True)) for a, b in zip(expected, found, strict=True) if a.numel()]
    if pairs and not any(bool(a.isfinite().any()) for a, _ in pairs):
        return float("inf")
    difference = max((float(torch.where(a == b, 0, a - b).abs().max()) for a, b in pairs), default=0.0)
    largest = max((float(a.abs()[a.isfinite()].max()) for a, _ in pairs if a.isfinite().any()), default=0.0)
    if largest == 0.0:
        return 0.0 if difference == 0.0 else float("inf")
    return difference / largest if difference == difference else float("inf")


def first_difference(one: nn.Module, other: nn.Module, run: Callable[[nn.Module], Any]) -> str:
    """The first leaf module whose output differs in size-independent terms: its largest absolute value."""
    for (name, a), (_, b) in zip(_recorded(one, run), _recorded(other, run), strict=False):
        if abs(a - b) > 1e-3 * max(a, b, 1e-12):
            return f"layer {name!r}"
    return "the model's own forward"


def _recorded(model: nn.Module, run: Callable[[nn.Module], Any]) -> list[tuple[str, float]]:
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
        run(model)
    finally:
        for handle in handles:
            handle.remove()
    return seen
