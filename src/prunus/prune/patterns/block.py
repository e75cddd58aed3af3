"""Blocks of neighbouring weights."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class Block(LayerPattern):
    """Every block of `rows` x `columns` is a unit, of the weight as a matrix (outputs, inputs x kernel).

    Where rows or columns do not divide the matrix, the blocks at its edge are smaller.

    Source: Narang et al., "Block-sparse recurrent neural networks", 2017.
    """

    rows: int = Field(default=4, ge=1)
    columns: int = Field(default=4, ge=1)

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        height, width = weight.shape[0], weight[0].numel()
        return UnitSet(
            name=layer.name,
            units=-(-height // self.rows) * -(-width // self.columns),
            scored={layer.weight: partial(_as_blocks, rows=self.rows, columns=self.columns)},
            masked={layer.weight: partial(_spread, shape=tuple(weight.shape), rows=self.rows, columns=self.columns)},
            shape=tuple(weight.shape),
        )


def _as_blocks(values: Tensor, rows: int, columns: int) -> Tensor:
    """(blocks, rows x columns); what is beyond the edge is zero."""
    matrix = values.flatten(1)
    down, right = -matrix.shape[0] % rows, -matrix.shape[1] % columns
    padded = F.pad(matrix, (0, right, 0, down))
    tiled = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    return tiled.transpose(1, 2).reshape(-1, rows * columns)


def _spread(keep: Tensor, shape: tuple[int, ...], rows: int, columns: int) -> Tensor:
    width = 1
    for size in shape[1:]:
        width *= size
    blocks = keep.reshape(-(-shape[0] // rows), -(-width // columns))
    matrix = blocks.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    return matrix[: shape[0], :width].reshape(shape)
