"""Operations that work on each position by itself, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._ops import OpOverload

from prunus.graph.node import TensorType
from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.ops.operation import Operation, combined_origins
from prunus.ops.row import OpRow

PROBES = (1.7, -2.3)  # any value that isn't zero


def pointwise(op: Operation) -> Axes:
    """Dimensions that meet by broadcasting have the same channels.

    Whether the result is zero where channels are removed is found by running the operation on zeros.
    """
    operands = op.tensors()
    if any(not _fits(operand, op) for operand in operands):
        raise AssertionError(f"{op.node} does not broadcast as pointwise operations do")
    return Axes(tuple(_broadcast(op, operands, dim) for dim in range(-len(op.shape), 0)))


def _fits(operand: Axes, op: Operation) -> bool:
    """Whether each dimension, counted from the last, is that of the result or single."""
    pairs = zip(operand.shape[::-1], op.shape[::-1], strict=False)
    return operand.rank <= len(op.shape) and all(size in (1, there) for size, there in pairs)


def _broadcast(op: Operation, operands: list[Axes], dim: int) -> Axis:
    size = op.shape[dim]
    meeting = [operand[dim] for operand in operands if operand.rank >= -dim and operand[dim].size == size != 1]
    if not meeting:
        return kept_axis(size)
    for other in meeting[1:]:
        op.join(meeting[0], other)
    if all(axis.is_kept for axis in meeting):
        return next((axis for axis in meeting if axis.batch), kept_axis(size))
    zero = tuple(_zero_there(operand, dim, size) for operand in operands)
    result = _at_zero(op, zero)
    if result is AtZero.INFINITE:
        op.findings.divisors |= frozenset().union(*(axis.origins for axis in meeting if axis.zero_when_removed))
    return Axis(meeting[0].labels, result is AtZero.ZERO, combined_origins(meeting, operands))


def _zero_there(operand: Axes, dim: int, size: int) -> bool:
    return operand.rank >= -dim and operand[dim].size == size and operand[dim].zero_when_removed


class AtZero(Enum):
    """What an operation makes of zeros."""

    ZERO = "zero"
    INFINITE = "infinite"  # or not a number: it divides by them
    OTHER = "other"


def _at_zero(op: Operation, zero: tuple[bool, ...]) -> AtZero:
    """What becomes of positions at which these operands are zero and the others are not."""
    output = op.node.output
    if not any(zero) or not isinstance(output, TensorType):
        return AtZero.OTHER
    if not (output.dtype.is_floating_point or output.dtype.is_complex):
        return AtZero.OTHER
    try:
        return _probe(op.node.op, _Frozen(op.args), _Frozen(op.kwargs), zero)
    except (RuntimeError, TypeError, NotImplementedError):
        return AtZero.OTHER


class _Frozen:
    """Arguments as a key: tensors are told apart only by their place."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key = repr(_marked(value))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.key == self.key


def _marked(value: Any) -> Any:
    if isinstance(value, Axes):
        return torch.Tensor
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_marked(item) for item in value]
    return value


@cache
def _probe(name: str, args: _Frozen, kwargs: _Frozen, zero: tuple[bool, ...]) -> AtZero:
    _, packet, overload = name.split(".")
    function = getattr(getattr(torch.ops.aten, packet), overload)
    results = []
    for value in PROBES:
        places = iter(zero)
        results.append(function(*_filled(args.value, places, value), **_filled(kwargs.value, places, value)))
    if not all(bool(result.isfinite().all()) for result in results):
        return AtZero.INFINITE
    return AtZero.OTHER if any(bool(result.any()) for result in results) else AtZero.ZERO


def _filled(value: Any, places: Any, other: float) -> Any:
    if isinstance(value, Axes):
        return torch.full((1,), 0.0 if next(places) else other)
    if isinstance(value, dict):
        return {key: _filled(item, places, other) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_filled(item, places, other) for item in value)
    return value


def result(operation: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The result on the meta device: of the broadcast shape, and of the type that tensors without elements give.

    None where the order of its elements in memory does not follow.
    """
    operands = [arg for arg in args if isinstance(arg, Tensor)]
    first = operands[0]
    same = all(each.shape == first.shape and each.stride() == first.stride() for each in operands[1:])
    if any(isinstance(each, Tensor) for each in kwargs.values()) or not all(each.is_meta for each in operands):
        return None
    plain = all(each.is_contiguous() for each in operands)
    if not same and not plain:
        return None
    empty = [arg.new_empty(arg.shape and (0,), device="cpu") if isinstance(arg, Tensor) else arg for arg in args]
    shape, probe = np.broadcast_shapes(*(each.shape for each in operands)), operation(*empty, **kwargs)
    if not isinstance(probe, Tensor):
        return None
    if probe is empty[0]:  # written in place
        return first if first.shape == shape else None
    return torch.empty(shape, dtype=probe.dtype, device="meta") if plain else torch.empty_like(first, dtype=probe.dtype)


ROWS = (
    OpRow(
        "relu gelu silu sigmoid tanh hardtanh hardswish add sub mul div",
        pointwise,
        samples="kept",
    ),
    OpRow(
        "abs addcdiv addcmul atan2 bitwise_and bitwise_not bitwise_or celu ceil clamp clamp_max clamp_min clip "
        "cos elu eq erf exp expm1 floor floor_divide fmod ge gt hardshrink hardsigmoid isinf isnan le leaky_relu "
        "lerp log log10 log1p log2 log_sigmoid logical_and logical_not logical_or logical_xor lt masked_fill "
        "maximum minimum mish nan_to_num ne neg pow _prelu_kernel reciprocal relu6 remainder round rsqrt rsub "
        "selu sgn sign sin softplus softshrink softsign sqrt square tan tanhshrink threshold true_divide trunc "
        "where xlogy special_expm1 rrelu erfinv exp2 multiply subtract divide complex polar angle acos acosh asin "
        "asinh atan atanh cosh sinh bitwise_xor bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ "
        "__iand__ __ior__ __ixor__ __lshift__ __rshift__ copysign fmax fmin heaviside isneginf isposinf logaddexp "
        "logaddexp2 hypot logit frac erfc lgamma digamma float_power sinc",
        pointwise,
    ),
)
