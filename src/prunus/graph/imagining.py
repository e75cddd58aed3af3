"""Results without values of the commonest operations, at once: torch takes up to milliseconds for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Result: TypeAlias = Callable[..., Tensor | None]
WHOLE = frozenset((torch.int8, torch.int16, torch.int32, torch.int64))


def imagined(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """What the operation of that name gives, or None where torch has to say it: on other arguments, and wrong ones."""
    how = RESULTS.get(name)
    try:
        return how(*args, **kwargs) if how and "out" not in kwargs else None
    except (TypeError, IndexError, ValueError):  # called in another way, or with other shapes, than the row knows
        return None


def _bare(x: Tensor, size: Sequence[int]) -> Tensor:
    """Of that size, like another one."""
    return torch.empty(size, dtype=x.dtype, device="meta")


def _like(x: Tensor, *_: Any, **__: Any) -> Tensor | None:
    """Empty, and its numbers in the same order in memory."""
    if not x.is_floating_point():
        return None
    return _bare(x, x.shape) if x.is_contiguous() else torch.empty_like(x)


def _in_place(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x


def _arithmetic(x: Tensor, y: Any, **how: Any) -> Tensor | None:
    """Of two tensors of one type, or of one and a number."""
    whole = x.dtype in WHOLE and not how
    if type(y) is int or (type(y) is float and not whole):
        return _bare(x, x.shape) if whole and x.is_contiguous() else _like(x)
    if not isinstance(y, Tensor) or not (_alike(x, y) or (whole and y.dtype == x.dtype)):
        return None
    plain = x.is_contiguous() and y.is_contiguous()
    if x.shape == y.shape and not plain:
        return _like(x) if x.stride() == y.stride() else None
    return _bare(x, _broadcast(x.shape, y.shape)) if plain else None


def _broadcast(one: Sequence[int], other: Sequence[int]) -> Sequence[int]:
    if one[len(one) - len(other) :] == other:
        return one
    return np.broadcast_shapes(one, other)


def _contiguous(x: Tensor) -> Tensor:
    return x if x.is_contiguous() else _bare(x, x.shape)


def _division(x: Tensor, y: Any, **how: Any) -> Tensor | None:
    return _arithmetic(x, y, **how) if x.is_floating_point() else None


def _comparison(x: Tensor, y: Any) -> Tensor | None:
    """Of a tensor and a number."""
    plain = isinstance(y, (int, float)) and x.is_contiguous()
    return torch.empty(x.shape, dtype=torch.bool, device="meta") if plain else None


def _running_sum(x: Tensor, dim: int) -> Tensor | None:
    if not x.is_contiguous() or not -x.dim() <= dim < x.dim():
        return None
    if x.dtype in WHOLE:
        return torch.empty(x.shape, dtype=torch.int64, device="meta")
    return _bare(x, x.shape) if x.is_floating_point() else None


def _rows(table: Tensor, numbers: Tensor, *_: Any) -> Tensor | None:
    plain = table.dim() == 2 and numbers.dtype == torch.int64 and numbers.is_contiguous()
    return _bare(table, (*numbers.shape, table.shape[1])) if plain else None


def _written(how: Result) -> Result:
    """The same in place: the result is the first argument."""

    def in_place(x: Tensor, y: Any, **kwargs: Any) -> Tensor | None:
        result = how(x, y, **kwargs)
        return x if result is not None and result.shape == x.shape else None

    return in_place


def _batch_norm(x: Tensor, *args: Any) -> Tensor | None:
    return _like(x) if _are_of(x.shape[1:2], args[:4]) else None


def _layer_norm(x: Tensor, shape: Sequence[int], *args: Any) -> Tensor | None:
    fits = x.shape[-len(shape) :] == tuple(shape) and _are_of(tuple(shape), args[:2])
    return _bare(x, x.shape) if fits and x.is_floating_point() else None


def _are_of(shape: Sequence[int], tensors: Sequence[Any]) -> bool:
    """Whether a norm's tensors have this shape; if not, torch says what is wrong."""
    return all(tensor.shape == shape for tensor in tensors if isinstance(tensor, Tensor))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    out, features = weight.shape if weight.dim() == 2 else (0, 0)
    fits = x.dim() > 1 and x.shape[-1] == features and (bias is None or bias.shape == (out,))
    return _bare(x, (*x.shape[:-1], out)) if fits and _alike(x, weight, bias) else None


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor | None:
    """Of two dimensions."""
    out, inner, *kernel = weight.shape
    fits = x.dim() == 4 and x.shape[1] == inner * groups and out % groups == 0 and (bias is None or len(bias) == out)
    if not fits or not (_alike(x, weight, bias) and x.is_contiguous() and weight.is_contiguous()):
        return None
    sizes = [(x.shape[2 + d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in (0, 1)]
    return _bare(x, (x.shape[0], out, *sizes)) if min(sizes) > 0 else None


def _alike(*tensors: Tensor | None) -> bool:
    """Whether those that are there are floating-point, and of one type."""
    kinds = {tensor.dtype for tensor in tensors if tensor is not None}
    return len(kinds) == 1 and kinds.pop().is_floating_point


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *_: Any, **how: Any) -> Any:
    batch, length = query.shape[:-2], key.shape[-2]
    same = (
        key.shape[:-2] == value.shape[:-2] == batch and key.shape[-1] == query.shape[-1] and value.shape[-2] == length
    )
    weights = (*batch, query.shape[-2], length)
    shown = mask is None or np.broadcast_shapes(mask.shape, weights) == weights
    if not same or not shown or how.get("enable_gqa") or not _alike(query, key, value):
        return None
    return _bare(query, (*query.shape[:-1], value.shape[-1]))


def _pooled(x: Tensor, size: Sequence[int]) -> Tensor | None:
    """An average over parts of the last two dimensions."""
    plain = x.dim() == 4 and x.is_contiguous() and x.is_floating_point() and x.numel() and min(size) > 0
    return _bare(x, (*x.shape[:2], *size)) if plain else None


def _windows(
    x: Tensor, window: Sequence[int], step: Sequence[int] = (), padding: Sequence[int] = (0, 0), *others: Any
) -> Tensor | None:
    """The largest of each window of two dimensions."""
    return None if others else _averages(x, window, step, padding)


def _averages(
    x: Tensor,
    window: Sequence[int],
    step: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    *ceil_and_divisor: Any,
) -> Tensor | None:
    """The average of each window of two dimensions, where no window lies partly outside."""
    if len(window) != 2 or any(2 * padding[d] > window[d] for d in (0, 1)):
        return None
    step = step or window
    moves = [divmod(x.shape[2 + d] + 2 * padding[d] - window[d], step[d]) for d in (0, 1)]
    if any(ceil_and_divisor[:1]) and any(rest for _, rest in moves):
        return None
    return _pooled(x, [moved + 1 for moved, _ in moves])


def _mean(x: Tensor, dims: Sequence[int], keepdim: bool = False) -> Tensor | None:
    over = {dim % x.dim() for dim in dims}
    plain = x.is_floating_point() and x.is_contiguous() and len(over) == len(dims) and max(dims) < x.dim()
    if not plain or not dims or min(dims) < -x.dim():
        return None
    sizes = ((1 if d in over else size) for d, size in enumerate(x.shape) if keepdim or d not in over)
    return _bare(x, tuple(sizes))


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    shape = list(first.shape)
    alike = _alike(*tensors) and all(tensor.dim() == len(shape) and tensor.is_contiguous() for tensor in tensors)
    others = {(*tensor.shape[:dim], *tensor.shape[dim:][1:]) for tensor in tensors}
    if not alike or len(others) > 1 or dim < 0:
        return None
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return _bare(first, shape)


_KINDS: tuple[tuple[Result, str], ...] = (
    (_like, "relu hardtanh relu6 hardswish hardsigmoid silu gelu leaky_relu elu sigmoid tanh"),
    (_in_place, "relu_ hardtanh_ relu6_ hardswish_ hardsigmoid_ silu_ gelu_ leaky_relu_ elu_ sigmoid_ tanh_"),
    (_arithmetic, "add sub mul"),
    (_division, "div"),
    (_contiguous, "contiguous"),
    (_comparison, "eq ne lt le gt ge"),
    (_running_sum, "cumsum"),
    (_rows, "embedding"),
    (_written(_arithmetic), "add_ sub_ mul_"),
    (_written(_division), "div_"),
    (_batch_norm, "batch_norm"),
    (_layer_norm, "layer_norm rms_norm"),
    (_linear, "linear"),
    (_convolution, "conv2d"),
    (_attention, "scaled_dot_product_attention"),
    (_pooled, "adaptive_avg_pool2d"),
    (_windows, "max_pool2d"),
    (_averages, "avg_pool2d"),
    (_mean, "mean"),
    (_joined, "cat"),
)
RESULTS: dict[str, Result] = {name: result for result, names in _KINDS for name in names.split()}
