"""All that is known of an operation of ATen, in one row: labels of channels, written sizes, MACs, memory, samples.

A file holds a family of operations: the functions that their rows name, and the rows. A new operation is one row. An
operation without one is never pruned through: what reaches it is protected.

What stays out: networks and graphs. A row sees one operation with its arguments and the labels of its tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

from prunus.graph.node import is_in_place, kind_of
from prunus.ops import (
    contraction,
    convolution,
    creating,
    joining,
    normalisation,
    pointwise,
    rearranging,
    recurrent,
    reduction,
    scattering,
    spatial,
    spectral,
)
from prunus.ops.operation import CouplingFindings, Operation
from prunus.ops.row import LabelRule, OpRow, Site

FAMILIES = (
    pointwise,
    rearranging,
    joining,
    scattering,
    spatial,
    contraction,
    recurrent,
    convolution,
    normalisation,
    reduction,
    spectral,
    creating,
)
OPS: dict[str, OpRow] = {name: row for family in FAMILIES for row in family.ROWS for name in row.names.split()}
"""Kind of an operation -> its row."""
OUTSIDE_ATEN = frozenset(("transformers.grouped_mm_fallback",))
"""Operations of other libraries that are executed in a graph."""

__all__ = [
    "OPS",
    "OUTSIDE_ATEN",
    "CouplingFindings",
    "LabelRule",
    "OpRow",
    "Operation",
    "Site",
    "is_view",
    "result_without_values",
    "rule_of",
]


def rule_of(kind: str) -> LabelRule:
    """The rule for the labels of an operation; without a row, whatever reaches it is protected."""
    return OPS[kind].labels if kind in OPS else creating.unknown


def is_view(kind: str) -> bool:
    """Whether the result of an operation may share its memory with the first argument."""
    return kind == "getitem" or (kind in OPS and OPS[kind].is_view)


def result_without_values(operation: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """What an operation gives on the meta device, or None where torch has to say it; see `OpRow.result`."""
    row = OPS.get(kind_of(str(operation)))
    if row is None or "out" in kwargs:
        return None
    try:
        if row.labels is pointwise.pointwise:
            return pointwise.result(operation, args, kwargs)
        return row.result(*args, **kwargs) if row.result and not is_in_place(str(operation)) else None
    except (TypeError, IndexError, ValueError, RuntimeError):  # called in another way, or wrongly
        return None
