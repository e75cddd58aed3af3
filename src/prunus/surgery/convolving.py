"""Convolutions in double precision on a CPU, where torch's own take many times as long as their products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

COLUMNS = 12 * 2**20
"""Bytes of the windows that torch writes out side by side; where they are fewer, its one product is best."""


class QuickConvolutions(TorchFunctionMode):
    """Within it, those whose windows take long to write out are sums of products, one for each place in them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if (func is torch.conv2d or func is torch.ops.aten.conv2d.default) and len(args) > 1:
            result = _convolved(*args, **(kwargs or {}))
            if result is not None:
                return result
        return func(*args, **(kwargs or {}))


def _convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """The result, shape (N, O, H, W), or None where torch's own way is as good."""
    steps, padded, spread = (_pair(each) for each in (stride, padding, dilation))
    if padded is None or spread != (1, 1) or steps is None or steps[0] != steps[1] or not _is_double(x, weight, bias):
        return None
    out, inner, *window = weight.shape
    sizes = [(x.shape[2 + d] + 2 * padded[d] - window[d]) // steps[0] + 1 for d in (0, 1)]
    depthwise = inner == 1 and out == groups > 1
    columns = x.shape[1] * window[0] * window[1] * sizes[0] * sizes[1] * x.element_size()
    worth = window != [1, 1] and (depthwise or (columns > COLUMNS and len(x) == 1))
    if not worth or min(sizes) < 1 or x.shape[1] != inner * groups:
        return None
    result = _summed(x, weight, steps[0], padded, (sizes[0], sizes[1]), groups)
    return result if bias is None else result.add_(bias[:, None, None])


def _summed(
    x: Tensor, weight: Tensor, step: int, padding: tuple[int, int], sizes: tuple[int, int], groups: int
) -> Tensor:
    """One product for each place in the window, of the weights there and what they meet as the window moves.

    With every row of the image behind the other, that is one piece of memory, of which the ends of rows are cut off.
    """
    out, inner, height, width = weight.shape
    batch, _, tall, wide = x.shape
    rows, row = sizes[0] + (height - 1) // step, sizes[1] + (width - 1) // step
    edges = (padding[1], step * row - wide - padding[1], padding[0], step * rows - tall - padding[0])
    x = functional.pad(x, edges)
    phases = {
        (i, j): x[:, :, i::step, j::step].reshape(batch, groups, inner, rows * row)
        for i in range(min(step, height))
        for j in range(min(step, width))
    }
    places = weight.permute(2, 3, 0, 1).reshape(height * width, groups, out // groups, inner).unbind()
    length = (sizes[0] - 1) * row + sizes[1]
    whole = x.new_empty(batch, groups, out // groups, sizes[0] * row)
    total = whole[..., :length]
    for place, weights in enumerate(places):
        i, j = divmod(place, width)
        first = i // step * row + j // step
        met = phases[i % step, j % step][..., first : first + length]
        if inner > 1 or out > groups:
            total[0].baddbmm_(weights, met[0], beta=min(place, 1))  # what is there before the first does not count
        elif place:
            total.addcmul_(met, weights)
        else:
            torch.mul(met, weights, out=total)
    return whole.view(batch, out, sizes[0], row)[..., : sizes[1]].contiguous()


def _pair(size: Any) -> tuple[int, int] | None:
    """Of both dimensions; None for a word."""
    if isinstance(size, int):
        return size, size
    return tuple(size) if not isinstance(size, str) and len(size) == 2 else None


def _is_double(x: Tensor, *others: Tensor | None) -> bool:
    tensors = [tensor for tensor in (x, *others) if tensor is not None]
    return x.dim() == 4 and all(tensor.dtype == torch.float64 and tensor.device.type == "cpu" for tensor in tensors)
