"""How tensors lie in the engine's memory, and where: memory is given again once nothing reads what was there.

plain: row-major, as in numpy.
image: (batch, channels, height, width) as rows of cells with zeros around them, so that padding needs no special case.
A cell is one pixel of `lanes` neighbours of the batch (a whole vector), or of one (then pixels share a vector). The
zeros at the end of a row are those before the next one, those below a channel are those above the next.
columns: (..., features) with features outermost: a linear layer is then a 1x1 convolution over one row of pixels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from prunus.sparse.program import Shape


@dataclass(frozen=True)
class Layout:
    """Element (n, i, j, ...) is at n // lanes * strides[0] + n % lanes + i * strides[1] + ..., after `lead` zeros.

    size: floats in all, lead and tail included. key: tensors of one key have their zeros at the same places, so that
    one may take the memory of another that is no longer needed. image: (images, channels, height, width, image stride,
    plane stride, row stride) of those that convolutions can read. fill: the byte that stands where no element is.
    """

    shape: Shape
    strides: tuple[int, ...]
    size: int
    key: tuple[int | str, ...] = ("plain",)
    lanes: int = 1
    lead: int = 0
    image: tuple[int, int, int, int, int, int, int] | None = None
    fill: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is row-major without gaps."""
        return self.key == ("plain",)


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides of a C-contiguous array.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))


def plain(shape: Shape) -> Layout:
    """Row-major."""
    return Layout(shape, row_major(shape), math.prod(shape))


def round_up(size: int, step: int) -> int:
    """The next multiple.

    >>> round_up(9, 8)
    16
    """
    return -(-size // step) * step


def apart(size: int, width: int) -> int:
    """Floats from a channel to the next, for `size` floats of a channel and vectors of `width`.

    A tile reads the same few lines of many channels. Were channels an even number of cache lines apart, these would
    share a part of the first cache's sets: 7x7 images of 8 lanes took a third longer.

    >>> apart(512, 8), apart(648, 8), apart(60, 8)
    (528, 648, 64)
    """
    size = round_up(size, width)
    return size + LINE if size >= LARGE and size % (2 * LINE) == 0 else size


@cache
def cells_apart(size: int, row: int) -> int:
    """`apart` for images whose cells are whole cache lines, of `row` floats a row.

    So many lines more, below 8, that what a tile reads lies in the sets of the first cache most evenly. With 3 lines
    more, 64 to 64 channels of 32x32 pixels at 80 % ran at 84 instead of 79 useful GFLOP/s on one thread.

    >>> cells_apart(33 * 33 * 16, 33 * 16), cells_apart(17 * 17 * 16, 17 * 16)
    (17472, 4672)
    """
    size = round_up(size, LINE)
    if size < LARGE * LINE // 4:
        return size

    def crowding(more: int) -> int:
        plane = size // LINE + more
        places = (c * plane + y * row // LINE + x for c in range(16) for y in range(4) for x in range(6))
        return sum(count**2 for count in Counter(place % SETS for place in places).values())

    return size + LINE * min(range(8), key=crowding)


LINE = 16
"""Floats of a cache line."""

SETS = 64
"""Sets of the first cache: lines so far apart share one."""

LARGE = 256
"""Channels of fewer floats than this are read whole, and lie close together."""


def image(shape: Shape, margin: tuple[int, int], lanes: int, width: int) -> Layout:
    """An image with so many rows and columns of zeros around it, for vectors of `width` floats."""
    batch, channels, height, columns = shape
    images = -(-batch // lanes)
    row = (columns + margin[1]) * lanes
    floats = (height + margin[0]) * row
    plane = cells_apart(floats, row) if lanes == LINE else apart(floats, width)
    lead = round_up(margin[0] * row + margin[1] * lanes, width)
    # Kernels read whole vectors, up to one past the last row and its margin.
    size = lead + images * channels * plane + round_up(margin[0] * row + margin[1] * lanes, width) + 16 * width
    key = ("image", lanes, height, columns, row, plane)
    strides = (channels * plane, plane, row, lanes)
    return Layout(shape, strides, size, key, lanes, lead, (images, channels, height, columns, strides[0], plane, row))


QUAD = 4
"""Channels whose bytes lie together in the place of a float."""


def of_bytes(layout: Layout, zero: int) -> Layout:
    """The layout for bytes of a tensor, from that of its quads of channels. What lies around it is the zero point."""
    return replace(layout, key=(*layout.key, "bytes", zero), fill=zero)


def columns(shape: Shape, width: int) -> Layout:
    """Features outermost."""
    rows, features = math.prod(shape[:-1]), shape[-1]
    row = apart(rows, width)
    strides = (*row_major(shape[:-1]), row)
    size = features * row + 16 * width
    return Layout(shape, strides, size, ("columns", row), image=(1, features, 1, rows, features * row, row, row))


def squeezed(layout: Layout, shape: Shape) -> Layout | None:
    """The same memory under a shape that differs in dimensions of one element only; None where it differs in more."""
    kept = [(size, stride) for size, stride in zip(layout.shape, layout.strides, strict=True) if size != 1]
    if [size for size, _ in kept] != [size for size in shape if size != 1]:
        return None
    if layout.lanes > 1 and (not shape or shape[0] != layout.shape[0] or layout.shape[0] == 1):
        return None
    strides, rest = [], iter(kept)
    for size in shape:
        strides.append(next(rest)[1] if size != 1 else 0)
    return Layout(shape, tuple(strides), layout.size, layout.key, layout.lanes, layout.lead)


ALIGNMENT = 16  # floats: a cache line, and a vector of the widest instruction set


@dataclass(eq=False)
class Tensor:
    """A piece of memory that steps write and read; two tensors may share it (`of`).

    base: 0 is the engine's memory; after it come the network's inputs, then its outputs, which the caller owns.
    offset: of its beginning, in floats. finite_flag: where its writer notes whether all of it is finite; -1 where it
    does not. over: a tensor whose place it may take where its writer is the last that reads that one, since the writer
    reads each element before it writes it.
    """

    layout: Layout
    name: str
    of: Tensor | None = None
    base: int = 0
    offset: int = 0
    finite_flag: int = -1
    over: Tensor | None = None
    last_use: int = field(default=-1, repr=False)

    @property
    def owner(self) -> Tensor:
        """The tensor whose memory it is."""
        return self.of.owner if self.of else self

    @property
    def start(self) -> int:
        """Where its first element lies."""
        return self.owner.offset + self.layout.lead


def place(tensors: Sequence[tuple[Tensor, int]], first_free: int) -> int:
    """Give each (tensor, step that writes it first) its offset; returns the floats needed in all.

    Memory goes from tensor to tensor of one key only: what steps never write stays zero for all of them.
    """
    free: dict[tuple[int | str, ...], list[list[int]]] = {}  # key -> [step from which it is free, offset, size]
    end = first_free
    for tensor, step in tensors:
        # Zeros around an image are written once, when the engine is made. Tensors of one key have them in the same
        # places.
        slots = free.setdefault(tensor.layout.key, [])
        ready = [slot for slot in slots if slot[0] < step and slot[2] >= tensor.layout.size]
        replaced = [slot for slot in slots if tensor.over and slot[:2] == [step, tensor.over.offset]]
        if replaced or ready:
            slot = min(replaced or ready, key=lambda slot: slot[2])
        else:
            slot = [0, end, -(-tensor.layout.size // ALIGNMENT) * ALIGNMENT]
            end += slot[2]
            slots.append(slot)
        tensor.offset = slot[1]
        slot[0] = tensor.last_use
    return end
