"""How many zeros lie around images of each size: enough for all convolutions that read or write them."""

from __future__ import annotations

from prunus.sparse.execution.pixels import suits_pixels
from prunus.sparse.program import Convolution, Program, Shape


def margins_of(program: Program, shapes: dict[str, Shape], lanes: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(height, width) -> rows and columns of zeros. One size has one margin, so that all its images lie alike."""
    margins: dict[tuple[int, int], tuple[int, int]] = {}
    convolutions = [op for op in program.operations if isinstance(op, Convolution)]
    small = [op for op in convolutions if lanes > 1 and suits_pixels(op, shapes)]
    _add(margins, [op for op in convolutions if op not in small], shapes, lanes)
    if any(margins.get((size[2], size[3])) for op in small for size in (shapes[op.input], shapes[op.output])):
        _add(margins, small, shapes, lanes)
    return margins


def _add(
    margins: dict[tuple[int, int], tuple[int, int]], operations: list[Convolution], shapes: dict[str, Shape], lanes: int
) -> None:
    for op in operations:
        size, out = shapes[op.input][2:], shapes[op.output][2:]
        top, left, bottom, right = op.padding
        if op.strides[1] <= 2 if lanes > 1 else op.strides == (1, 1) and size == out:
            _widen(margins, size, max(top, bottom), max(left, right))
        elif lanes == 1:
            if op.strides[1] <= 2:  # it may run as it is
                _widen(margins, size, max(top, bottom), max(left, right))
            # Else its input is copied first, into rows as long as those of the output.
            reach = (shapes[op.weight][3] - 1) * op.dilation[1] // op.strides[1]
            _widen(margins, out, 0, reach)


def _widen(margins: dict[tuple[int, int], tuple[int, int]], size: Shape, rows: int, columns: int) -> None:
    key = (size[0], size[1])
    before = margins.get(key, (0, 0))
    margins[key] = (max(before[0], rows), max(before[1], columns))
