"""Tensors made inside the forward, and operations that nothing is known of."""

from __future__ import annotations

from prunus.graph.axes import Axes, kept
from prunus.graph.operation import Operation


def created(op: Operation) -> Axes | tuple[Axes, ...]:
    """A new tensor: nothing of it is removed."""
    return _kept(op)


def like(op: Operation) -> Axes:
    """A new tensor of the shape of another."""
    return Axes(tuple(op.args[0].axes)).untied_zero().activation()


def shapeless(op: Operation) -> Axes | tuple[Axes, ...]:
    """Checks and sizes, which have no channels."""
    return _kept(op)


def unknown(op: Operation) -> Axes | tuple[Axes, ...]:
    """An operation without a rule: whatever reaches it stays as it is."""
    for tensor in op.tensors():
        op.pin(tensor.axes, "an operation that can't be followed")
    return _kept(op)


def _kept(op: Operation) -> Axes | tuple[Axes, ...]:
    results = tuple(kept(shape) for shape in op.shapes)
    return results if isinstance(op.node.output, tuple) or not results else results[0]
