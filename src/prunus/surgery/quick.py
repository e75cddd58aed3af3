"""Weights in double precision whose products take less time than torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree

from prunus.surgery import hollow
from prunus.surgery.convolving import Size, convolved, pair
from prunus.surgery.hollow import Hollow


class Quick(Tensor):
    """A weight of which convolutions and linear layers make their products otherwise than torch does.

    hollow: what is left of it, where rows and columns are zero. Its numbers are written down as soon as something else
    reads them, so that it is like any other tensor.
    """

    hollow: Hollow | None
    _is_param: bool
    _is_written: bool

    @classmethod
    def of(cls, value: Tensor | Hollow, parameter: bool) -> Quick:
        """parameter: whether it takes the place of one."""
        is_hollow = isinstance(value, Hollow)
        numbers = value.left.new_zeros(()).expand(value.whole) if isinstance(value, Hollow) else value
        quick: Quick = torch.Tensor._make_subclass(cls, numbers)
        quick.hollow = value if isinstance(value, Hollow) else None
        quick._is_param, quick._is_written = parameter, not is_hollow
        return quick

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            how = PRODUCTS.get(func)
            result = how(*args, **(kwargs or {})) if how and len(args) > 1 else None
            if result is not None:
                return result
            if func not in OUTSIDE:
                for each in pytree.tree_leaves((args, kwargs)):
                    if isinstance(each, Quick):
                        each.written()
            return func(*args, **(kwargs or {}))

    def written(self) -> Tensor:
        """The same with all of its numbers."""
        if self.hollow is not None and not self._is_written:
            self._is_written = True
            self.data = self.hollow.written()
        return self


OUTSIDE = frozenset(
    (*(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device")), Tensor.size, Tensor.dim, Tensor.__len__)
)
"""Questions about a tensor that its numbers don't matter to."""


def _linear(x: Tensor, weight: Any, bias: Tensor | None = None) -> Tensor | None:
    known = isinstance(weight, Quick) and weight.hollow is not None
    return hollow.linear(x, weight.hollow, bias) if known else None


def _convolution(
    x: Tensor,
    weight: Any,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor | None:
    if not isinstance(weight, Quick) or x.dim() != 4:
        return None

    def how(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        result = convolved(x, weight, bias, stride, padding, dilation, groups)
        return torch.conv2d(x, weight, bias, stride, padding, dilation, groups) if result is None else result

    if weight.hollow is not None:
        steps = pair(stride)
        places = len(x) * (x.shape[2] // steps[0]) * (x.shape[3] // steps[1])
        result = hollow.convolution(x, weight.hollow, bias, places, groups, how)
        if result is not None:
            return result
    return how(x, weight.written(), bias, groups)


PRODUCTS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    torch.conv2d: _convolution,
    torch.ops.aten.conv2d.default: _convolution,
    functional.linear: _linear,
    torch.ops.aten.linear.default: _linear,
}
