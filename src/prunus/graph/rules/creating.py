"""Tensors made inside the forward, and operations that nothing is known of."""

from __future__ import annotations

from prunus.graph.axes import Axes, Axis, kept, kept_axis
from prunus.graph.operation import Operation


def created(op: Operation) -> Axes | tuple[Axes, ...]:
    """A new tensor with contents of its own: nothing of it is removed."""
    return _kept(op)


def filled(op: Operation) -> Axes:
    """A new tensor of equal numbers: it can be made of any size."""
    zero = op.node.kind in ("zeros", "new_zeros")
    return Axes(tuple(Axis(op.labels.fresh(n), zero) if n > 1 else kept_axis(n) for n in op.shape))


def copied(op: Operation) -> Axes:
    """Values written into a tensor, by broadcasting: it has the same channels as these."""
    target, values = op.args[0], op.args[1]
    if not isinstance(values, Axes):
        return Axes(tuple(target.axes)).untied_zero()
    axes = []
    for dim in range(-target.rank, 0):
        axis = target[dim]
        if values.rank >= -dim and values[dim].size == axis.size:
            op.join(axis, values[dim])
            axes.append(axis.vanishing(values[dim].vanishes))
        else:
            axes.append(axis.vanishing(False))
    return Axes(tuple(axes)).activation()


def like(op: Operation) -> Axes:
    """A new tensor of the shape of another."""
    return Axes(tuple(op.args[0].axes)).untied_zero().activation()


def drawn(op: Operation) -> Axes:
    """Random numbers of the shape of another tensor: with fewer of them, each is another one."""
    op.pin(op.args[0].axes, "as many random numbers are drawn")
    return like(op)


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
