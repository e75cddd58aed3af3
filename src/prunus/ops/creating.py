"""Tensors made inside the forward, and operations that nothing is known of."""

from __future__ import annotations

from prunus.labels.axes import Axes, Axis, kept, kept_axis
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow, sizes_at


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
            axes.append(axis.with_zero(values[dim].zero_when_removed))
        else:
            axes.append(axis.with_zero(False))
    return Axes(tuple(axes)).activation()


def zeroed(op: Operation) -> Axes:
    """A tensor set to zero as a whole, with the channels that it had."""
    return Axes(tuple(axis.with_zero(True) for axis in op.args[0].axes)).activation()


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


def decided(op: Operation) -> tuple[Axes, ...]:
    """Values decide what follows: what is held then may be read by code that does not run on the example inputs."""
    for tensor in op.tensors():
        for axis in tensor.axes:
            if not axis.is_kept:
                what = f"held where values decide what follows: {op.node.op.rpartition('.')[2]} in {op.node.place}"
                op.labels.pin(axis.labels, what)
    return ()


def unknown(op: Operation) -> Axes | tuple[Axes, ...]:
    """An operation without a rule: whatever reaches it stays as it is."""
    for tensor in op.tensors():
        op.pin(tensor.axes, "an operation that can't be followed")
    return _kept(op)


def _kept(op: Operation) -> Axes | tuple[Axes, ...]:
    results = tuple(kept(shape) for shape in op.shapes)
    return results if isinstance(op.node.output, tuple) or not results else results[0]


ROWS = (
    OpRow("decision", decided, macs=None),
    OpRow("zeros ones full", filled, sizes_at(0)),
    OpRow("new_zeros new_ones new_full new_empty", filled, sizes_at(1)),
    OpRow("copy fill", copied),
    OpRow("zero", zeroed),
    OpRow("empty arange linspace eye rand randn tensor scalar_tensor hann_window", created),
    OpRow("zeros_like ones_like full_like empty_like", like),
    OpRow("rand_like randn_like", drawn),
    OpRow("_assert_async _assert_tensor_metadata sym_size _assert_scalar sym_constrain_range_for_size item", shapeless),
)
