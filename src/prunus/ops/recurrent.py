"""Recurrent layers: the same units of every gate, every layer and both directions go together."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.labels.reshape import split
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow


def recurrent(op: Operation) -> tuple[Axes, ...]:
    """LSTM and its relatives on padded batches; with all weights of a unit zero, its state stays zero.

    Arguments: input, state(s), weights, has_biases, layers, dropout, train, bidirectional, batch_first.
    """
    x, states, weights = op.args[:3]
    if isinstance(weights, (bool, Axes)) or not isinstance(x, Axes):
        return _given_up(op)
    per_cell = 4 if op.args[3] else 2
    cells = [weights[i : i + per_cell] for i in range(0, len(weights), per_cell)]
    directions = 2 if op.args[7] else 1
    states = states if isinstance(states, (list, tuple)) else [states]
    hidden = cells[0][1][1]
    if any(len(cell) != per_cell or cell[1].shape[1] != hidden.size for cell in cells):
        return _given_up(op)  # projections of the hidden state
    read = x[x.rank - 1]
    for layer in range(len(cells) // directions):
        for cell in cells[layer * directions : (layer + 1) * directions]:
            _cell(op, cell, read, hidden)
        read = functools.reduce(_side_by_side, [hidden] * directions)
    for state in states:
        op.join(state[state.rank - 1], hidden)
    sequence = Axes((*x.axes[:-1], read)).activation()
    return (sequence, *(_state(shape, hidden) for shape in op.shapes[1:]))


def _cell(op: Operation, cell: Sequence[Axes], read: Axis, hidden: Axis) -> None:
    op.contract([read, cell[0][1]])
    op.contract([hidden, cell[1][1]])
    for weight in cell:
        gates = weight[0].size // hidden.size
        rows = weight[0]
        if gates > 1 and hidden.size > 1:
            gate, rows = split(op.labels, weight[0], (gates, hidden.size), f"the gates of {op.node}")
            op.pin([gate], "the gates of a recurrent layer")
        op.join(rows, hidden)


def cell(op: Operation) -> Axes | tuple[Axes, ...]:
    """One step of a recurrent layer: input, state(s), the weights and biases of all gates."""
    x, states = op.args[:2]
    states = list(states) if isinstance(states, (list, tuple)) else [states]
    weights = [weight for weight in op.args[2:] if weight is not None]
    hidden = weights[1][1]
    _cell(op, weights, x[x.rank - 1], hidden)
    for state in states:
        op.join(state[state.rank - 1], hidden)
    following = tuple(Axes((*state.axes[:-1], Axis(hidden.labels))).activation() for state in states)
    return following if isinstance(op.node.output, tuple) else following[0]


def _side_by_side(left: Axis, right: Axis) -> Axis:
    return Axis(np.concatenate([left.labels, right.labels]))


def _state(shape: tuple[int, ...], hidden: Axis) -> Axes:
    return Axes((*(kept_axis(size) for size in shape[:-1]), Axis(hidden.labels)))


def _given_up(op: Operation) -> tuple[Axes, ...]:
    for tensor in op.tensors():
        op.pin(tensor.axes, "a recurrent layer that can't be followed")
    return tuple(Axes(tuple(kept_axis(size) for size in shape)) for shape in op.shapes)


ROWS = (
    OpRow("lstm gru rnn_tanh rnn_relu", recurrent, macs=None),
    OpRow("lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell", cell, macs=None),
)
