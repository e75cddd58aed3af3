"""What one ONNX node becomes, and what a rule may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from prunus.sparse.onnx_graph import NotCoveredError, OnnxGraph, OnnxNode
from prunus.sparse.program import Array, Operation


@dataclass(frozen=True)
class Lowered:
    """The operations that compute a node's outputs, and constants that are not in the file but made for them."""

    operations: tuple[Operation, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)


Rule: TypeAlias = Callable[[OnnxNode, OnnxGraph], Lowered]
"""Raises `NotCoveredError` for a node that the native engine has no operations for."""


def one(*operations: Operation, **constants: Array) -> Lowered:
    """Operations without constants of their own."""
    return Lowered(operations, constants)


def require(condition: bool, why: str) -> None:
    """Raise `NotCoveredError` unless the condition holds."""
    if not condition:
        raise NotCoveredError(why)


def number(graph: OnnxGraph, name: str | None, what: str, default: float) -> float:
    """A constant of one element, `default` where it is absent."""
    if name is None:
        return default
    value = graph.constant(name, what)
    require(value.size == 1, f"its {what} has {value.size} elements")
    return float(value.reshape(()))


def integers(graph: OnnxGraph, name: str | None, what: str) -> tuple[int, ...] | None:
    """A constant list of integers, None where it is absent."""
    if name is None:
        return None
    return tuple(int(value) for value in np.atleast_1d(graph.constant(name, what)))


def axes_of(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes counted from 0, in ascending order.

    >>> axes_of((-1, 1), 4)
    (1, 3)
    """
    return tuple(sorted({axis % rank for axis in axes}))
