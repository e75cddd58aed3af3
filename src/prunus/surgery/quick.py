"""The proof's products, in less time than torch takes for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from prunus.surgery import hollow
from prunus.surgery.convolving import Size, convolved, pair
from prunus.surgery.hollow import Hollow


class QuickProducts(TorchFunctionMode):
    """Within it, convolutions whose windows take long to write out are computed otherwise.

    Of hollow weights, only what is left is multiplied.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        quick = QUICK.get(func)
        result = quick(*args, **(kwargs or {})) if quick and len(args) > 1 else None
        return func(*args, **(kwargs or {})) if result is None else result


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    return hollow.linear(x, weight, bias) if type(weight) is Hollow else None


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor | None:
    if type(weight) is not Hollow:
        return convolved(x, weight, bias, stride, padding, dilation, groups)
    if x.dim() != 4:
        return None

    def how(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        result = convolved(x, weight, bias, stride, padding, dilation, groups)
        return torch.conv2d(x, weight, bias, stride, padding, dilation, groups) if result is None else result

    steps = pair(stride)
    places = len(x) * (x.shape[2] // steps[0]) * (x.shape[3] // steps[1])
    result = hollow.convolution(x, weight, bias, places, groups, how)
    return how(x, weight.written(), bias, groups) if result is None else result


QUICK: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    torch.conv2d: _convolution,
    torch.ops.aten.conv2d.default: _convolution,
    functional.linear: _linear,
    torch.ops.aten.linear.default: _linear,
}
