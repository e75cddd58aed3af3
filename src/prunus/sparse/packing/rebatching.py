"""The plan for another batch size, from the plans for two."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from prunus.sparse.packing.header import PlanEntry


def rebatched(first: PlanEntry, second: PlanEntry, batch: int) -> PlanEntry | None:
    """The plan in which every size that differs between the two goes on in a straight line; None where none does.

    A plan's sizes are those of its tensors, where the batch is a factor or a term, so two plans tell them all; what
    does not fit is found when the shapes are inferred anew. Plans whose constants or subgraphs differ have no third.
    """
    if first.batch is None or second.batch is None or first.batch == second.batch or batch < 1:
        return None
    step = second.batch - first.batch
    if (batch - first.batch) % step:
        return None
    try:
        data = _line(first.model_dump(), second.model_dump(), (batch - first.batch) // step)
        return PlanEntry.model_validate(data)
    except (_DifferentError, ValidationError):
        return None


class _DifferentError(Exception):
    """Two plans do not differ in sizes alone."""


FIXED = ("constants", "model")
"""Keys whose numbers are places of tensors, not sizes."""


def _line(first: Any, second: Any, steps: int) -> Any:
    """first + (second - first) * steps, for all integers in data of equal structure.

    >>> _line({"shape": (1, 8), "axis": 1}, {"shape": (2, 8), "axis": 1}, 63)
    {'shape': (64, 8), 'axis': 1}
    """
    if first == second:
        return first
    if type(first) is not type(second):
        raise _DifferentError
    if isinstance(first, int) and not isinstance(first, bool):
        return first + (second - first) * steps
    if isinstance(first, tuple) and len(first) == len(second):
        return tuple(_line(a, b, steps) for a, b in zip(first, second, strict=True))
    if isinstance(first, dict) and first.keys() == second.keys():
        if any(first[key] != second[key] for key in FIXED if key in first):
            raise _DifferentError
        return {key: _line(value, second[key], steps) for key, value in first.items()}
    raise _DifferentError
