"""Blocks of neighbouring weights."""

from __future__ import annotations

import math
from functools import partial

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class Block(LayerPattern):
    """Every block of `rows` x `columns` is a unit, of the weight as a matrix (outputs, inputs x kernel).

    each_tap: a block is of rows x columns outputs and inputs at one place of the kernel. The sparse runtime's kernels
    for weights of 8 bits leave out blocks of 1x4, 4x4 and 16x4 of that kind.
    Where rows or columns do not divide the matrix, the blocks at its edge are smaller.

    Source: Narang et al., "Block-sparse recurrent neural networks", 2017.
    """

    rows: int = Field(default=4, ge=1)
    columns: int = Field(default=4, ge=1)
    each_tap: bool = False

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        as_blocks = partial(_as_blocks, rows=self.rows, columns=self.columns, each_tap=self.each_tap)
        spread = partial(_spread, rows=self.rows, columns=self.columns, each_tap=self.each_tap)
        return UnitSet(
            name=layer.name,
            units=len(as_blocks(weight)),
            scored={layer.weight: as_blocks},
            masked={layer.weight: partial(spread, shape=tuple(weight.shape))},
            shape=tuple(weight.shape),
        )


def _as_blocks(values: Tensor, rows: int, columns: int, *, each_tap: bool) -> Tensor:
    """(blocks, rows x columns); what is beyond the edge is zero."""
    lines = values.movedim(1, -1) if each_tap else values.flatten(1)  # (outputs, ..., neighbours)
    lines = lines.reshape(values.shape[0], -1, lines.shape[-1])
    padded = F.pad(lines, (0, -lines.shape[2] % columns, 0, 0, 0, -lines.shape[0] % rows))
    tiled = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1], -1, columns)
    return tiled.movedim(1, 3).reshape(-1, rows * columns)


def _spread(keep: Tensor, shape: tuple[int, ...], rows: int, columns: int, *, each_tap: bool) -> Tensor:
    outputs, inputs, *kernel = shape
    lines, width = (math.prod(kernel), inputs) if each_tap else (1, inputs * math.prod(kernel))
    blocks = keep.reshape(-(-outputs // rows), lines, -(-width // columns))
    spread = blocks.repeat_interleave(rows, 0).repeat_interleave(columns, 2)[:outputs, :, :width]
    return spread.reshape(outputs, *kernel, inputs).movedim(-1, 1) if each_tap else spread.reshape(shape)
