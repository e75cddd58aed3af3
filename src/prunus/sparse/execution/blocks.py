"""The kernels for weights of 8 bits, by name: `int8-4x4 1x6` is for blocks of 4 outputs x 4 inputs at one tap, of which
those without a weight are left out, and a tile of 1 x 6 vectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from prunus.errors import InputError
from prunus.sparse.execution.builder import ProgramBuilder
from prunus.sparse.execution.convolving import Taps
from prunus.sparse.execution.layout import Layout
from prunus.sparse.execution.tiles import FEW_REGISTERS

INPUTS = 4
"""Inputs of every block: their bytes are multiplied and summed by one instruction."""

RATES = {1: 1.0, 4: 1.7, 16: 4.5}
"""Products in the same time, about, of blocks of so many outputs; measured, the fastest rung decides."""

LIKELY = 2.5
"""Rungs that are expected to take so many times the best are not measured."""

MATRICES = "amx"
"""The instruction set that has kernels for blocks of 16."""

MOST_ROWS = 4
_NAME = re.compile(r"int8-(1|4|16)x4 ([0-9]{1,2})x([0-9]{1,2})")


def read_blocks(name: str) -> tuple[int, int, int]:
    """Outputs of a block, rows, columns of the tile.

    >>> read_blocks("int8-4x4 2x3")
    (4, 2, 3)
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise InputError(f"There is no kernel {name!r}", "a choice names one that `choices` gave", "compile it again")
    block, rows, columns = (int(number) for number in match.groups())
    return block, rows, columns


def kept_blocks(weight: npt.NDArray[Any]) -> dict[int, float]:
    """Outputs of a block -> the share of such blocks that have a weight. weight: (outputs, inputs, rows, columns).

    >>> weight = np.zeros((4, 4, 1, 2), np.int8)
    >>> weight[1, 2, 0, 1] = 1
    >>> kept_blocks(weight)
    {1: 0.125, 4: 0.5, 16: 0.5}
    """
    quads: npt.NDArray[np.bool_] = np.pad(weight != 0, [(0, 0), (0, -weight.shape[1] % INPUTS), (0, 0), (0, 0)])
    quads = np.any(quads.reshape(len(weight), -1, INPUTS, *weight.shape[2:]), axis=2)
    kept = {}
    for block in RATES:
        padded = np.pad(quads, [(0, -len(quads) % block), (0, 0), (0, 0), (0, 0)])
        kept[block] = float(padded.reshape(-1, block, *quads.shape[1:]).any(1).mean())
    return kept


def block_candidates(
    out: Layout, kept: Mapping[int, float], taps: Taps, weight: tuple[int, ...], builder: ProgramBuilder
) -> tuple[str, ...]:
    """Kernels worth measuring, the likeliest first."""
    assert out.image is not None
    images, _, height, columns = out.image[:4]
    rows, width = images * height, columns
    if out.lanes == 1:
        rows, width = images, -(-((height - 1) * out.image[6] + columns) // builder.width)
    outputs = weight[0] // taps.groups
    rungs = [block for block in RATES if block < 16 or builder.isa == MATRICES]
    rungs = [block for block in rungs if taps.groups == 1 or outputs % max(block, INPUTS) == 0]
    cost = {block: kept[block] / RATES[block] for block in rungs}
    best = min(cost.values())
    likely = sorted((block for block in rungs if cost[block] <= LIKELY * best), key=lambda block: (cost[block], -block))
    return tuple(
        f"int8-{block}x4 {high}x{wide}"
        for block in likely
        for high, wide in _tiles(block, rows, width, builder.registers)
    )


def _tiles(block: int, rows: int, columns: int, registers: int) -> list[tuple[int, int]]:
    """Tiles that leave little over, the largest first.

    >>> _tiles(4, 14, 14, 32), _tiles(1, 4, 4, 16), _tiles(16, 1, 14, 32)
    ([(2, 3), (3, 2), (1, 5)], [(3, 4), (2, 4), (4, 2)], [(1, 4)])
    """
    most = {1: 14 if registers > FEW_REGISTERS else 12, 4: 6 if registers > FEW_REGISTERS else 3, 16: 4}[block]
    found = []
    for high in range(1, min(rows, MOST_ROWS) + 1):
        if wide := min(columns, most // high):
            found.append((high, -(-columns // -(-columns // wide))))
    found.sort(key=lambda tile: (-tile[0] * tile[1], tile[0]))
    best = found[0][0] * found[0][1]
    return [tile for tile in found if tile[0] * tile[1] * 3 >= best * 2][:3]
