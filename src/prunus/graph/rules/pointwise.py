"""Operations that work on each position by itself, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import cache
from typing import Any

import torch

from prunus.graph.axes import Axes, Axis, kept_axis
from prunus.graph.node import TensorType
from prunus.graph.operation import Operation, combined_origins

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
        return kept_axis(size)
    zero = tuple(_zero_there(operand, dim, size) for operand in operands)
    result = _at_zero(op, zero)
    if result is AtZero.INFINITE:
        op.findings.divisors |= frozenset().union(*(axis.origins for axis in meeting if axis.vanishes))
    return Axis(meeting[0].labels, result is AtZero.ZERO, combined_origins(meeting, operands))


def _zero_there(operand: Axes, dim: int, size: int) -> bool:
    return operand.rank >= -dim and operand[dim].size == size and operand[dim].vanishes


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
    if (known := KNOWN.get(op.node.kind)) and not op.kwargs and all(isinstance(arg, Axes) for arg in op.args):
        return AtZero.ZERO if known(zero) else AtZero.OTHER
    try:
        return _probe(op.node.op, _Frozen(op.args), _Frozen(op.kwargs), zero)
    except (RuntimeError, TypeError, NotImplementedError):
        return AtZero.OTHER


KNOWN: dict[str, Callable[[Iterable[bool]], bool]] = {
    **dict.fromkeys(("relu", "gelu", "silu", "tanh", "hardswish", "add", "sub"), all),
    "mul": any,
}
"""Of the commonest operations on nothing but tensors: whether they give zero, by which operands are zero."""


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
