"""Convolutions in double precision on a CPU, where torch's own take many times as long as their products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Pair: TypeAlias = tuple[int, int]
Size: TypeAlias = int | Sequence[int]

COLUMNS, FEWER = 12 * 2**20, 3 * 2**20
"""Bytes of the windows that torch writes out side by side; where they are fewer, its one product is best.

The second holds for small windows over several channels on large images.
"""

STRIDED, LARGE = 2**17, 2**24
"""Bytes of all windows of a strided convolution; between these, torch is slow to write them out one by one."""

ROWS = 2**21
"""Bytes that are written out at once of the rows of a depthwise convolution's windows: they stay in the cache."""


def convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Any, dilation: Size, groups: int
) -> Tensor | None:
    """What `torch.conv2d` gives, shape (N, O, H, W), or None where torch's own way is as good."""
    out, inner, *window = weight.shape
    if window == [1, 1] or not _is_double(x, weight, bias) or x.shape[1] != inner * groups:
        return None
    steps, spread = pair(stride), pair(dilation)
    padded = _padding(padding, window, spread)
    if padded is None:
        return None
    height, width = ((x.shape[2 + d] + 2 * padded[d] - spread[d] * (window[d] - 1) - 1) // steps[d] + 1 for d in (0, 1))
    if min(height, width) < 1:
        return None
    depthwise, places = inner == 1 and out == groups > 1, height * width
    area = window[0] * window[1]
    columns = x.shape[1] * area * places * x.element_size()
    many = FEWER if inner >= 8 and places >= 80 * area else COLUMNS
    if depthwise and window[1] > 3:
        result = _by_rows(x, weight, steps, padded, spread, (height, width))
    elif steps[0] == steps[1] and spread == (1, 1) and (depthwise or (columns > many and len(x) == 1)):
        result = _by_places(x, weight, steps[0], padded, (height, width), groups)
    elif groups == 1 and min(steps) > 1 and STRIDED < len(x) * columns < LARGE:
        result = _by_columns(x, weight, steps, padded, spread, (height, width))
    else:
        return None
    return result if bias is None else result.add_(bias[:, None, None])


def _by_columns(x: Tensor, weight: Tensor, steps: Pair, padding: Pair, spread: Pair, sizes: Pair) -> Tensor:
    """One product of all weights and all windows, written out side by side."""
    out, inner, height, width = weight.shape
    x = functional.pad(x, (padding[1], padding[1], padding[0], padding[0])).contiguous()
    rows, columns = x.stride()[2:]
    strides = (*x.stride()[:2], spread[0] * rows, spread[1] * columns, steps[0] * rows, steps[1] * columns)
    windows = x.as_strided((len(x), inner, height, width, *sizes), strides).reshape(len(x), -1, sizes[0] * sizes[1])
    return torch.matmul(weight.reshape(out, -1), windows).view(len(x), out, *sizes)


def _by_rows(x: Tensor, weight: Tensor, steps: Pair, padding: Pair, spread: Pair, sizes: Pair) -> Tensor:
    """Of each channel by itself: what its window's rows give along all rows of the image, summed up where they meet."""
    channels, _, height, width = weight.shape
    x = functional.pad(x, (padding[1], padding[1], padding[0], padding[0])).contiguous()
    batch, _, tall, wide = x.shape
    length = tall * sizes[1]
    of_both = (spread[1], wide, steps[1])
    few = max(1, ROWS // (batch * width * length * x.element_size()))
    parts = []
    for some, weights in zip(torch.split(x, few, 1), torch.split(weight[:, 0], few), strict=True):
        shape = (batch, len(weights), width, tall, sizes[1])
        shifted = some.as_strided(shape, (*x.stride()[:2], *of_both), some.storage_offset())
        along = torch.matmul(weights, shifted.reshape(*shape[:3], length))
        strides = (*along.stride()[:2], length + spread[0] * sizes[1], steps[0] * sizes[1], 1)
        parts.append(along.as_strided((batch, len(weights), height, *sizes), strides).sum(2))
    return torch.cat(parts, 1) if few < channels else parts[0]


def _by_places(x: Tensor, weight: Tensor, step: int, padding: Pair, sizes: Pair, groups: int) -> Tensor:
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


def pair(size: Size) -> Pair:
    """Of both dimensions."""
    first, last = (size, size) if isinstance(size, int) else (size[0], size[-1])
    return first, last


def _padding(padding: Any, window: Sequence[int], spread: Pair) -> Pair | None:
    """Of both sides of each dimension; None where one gets more."""
    if padding == "same":
        both = [spread[d] * (window[d] - 1) for d in (0, 1)]
        return None if any(each % 2 for each in both) else (both[0] // 2, both[1] // 2)
    return (0, 0) if padding == "valid" else pair(padding)


def _is_double(x: Tensor, *others: Tensor | None) -> bool:
    tensors = [tensor for tensor in (x, *others) if tensor is not None]
    return x.dim() == 4 and all(tensor.dtype == torch.float64 and tensor.device.type == "cpu" for tensor in tensors)
