"""The kernels a convolution could run on, by name.

`sparse 2x7 32` is a tile of 2 x 7 vectors, 32 input channels a block; `sparse2 ...` one of two output channels at once,
each with non-zero weights of its own; `sparse-whole 4x4 32` one whose tile is a whole image of 4 x 4 vectors, which
leaves out products with the zeros around it; `dense6 ...` one of six, which leaves out what none of them wants;
`dense-across 2x7 32` one of 2 x 7 pixels and as many output channels as a vector has floats; `dense-winograd6
...` one whose cells are 2 x 2 outputs, computed with 16 multiplications instead of 36.
"""

from __future__ import annotations

import re

from prunus.errors import InputError
from prunus.sparse.execution.layout import LINE, Layout

FEW_REGISTERS = 16
MOST_CELLS = 24
"""Vectors of the largest tile that is compiled."""

DENSE = ((4, 1, 3), (4, 3, 1), (6, 1, 2), (6, 2, 1), (6, 1, 1))
WIDE_DENSE = ((6, 1, 4), (6, 4, 1), (6, 1, 3), *DENSE)
"""Output channels at once, and rows and columns of the tile, of the dense kernels: with 16 registers, and with 32."""

MOST_DENSE = 0.97
"""With a larger share of non-zero weights the sparse kernels are not measured."""

ACROSS = 0
"""What stands for a vector of output channels where their number is asked for."""

WINOGRAD = ((6, 1, 2), (6, 2, 2), (4, 2, 3), (0, 1, 14), (0, 4, 14))
WIDE_WINOGRAD = ((6, 1, 4), (6, 2, 4), (6, 4, 4), (0, 1, 24), (0, 4, 24))
"""Output channels at once, 0 for a vector of them; how often weights are used one after the other; cells at once."""

LEAST_WINOGRAD = 0.15
"""With a smaller share of non-zero weights they are not measured: leaving zeros out saves more."""

WHOLE = 3
"""What stands for the one output channel of the sparse kernels for whole images."""

LARGEST_WHOLE = 4
"""Rows and columns of the largest such image."""

WHOLE_BLOCKS = (32, 64, 128)
"""Input channels of a block of theirs: a channel of 4 x 4 cells is read as 16 lines."""

PAIRED_CHANNELS = 2
"""Output channels at once of the sparse kernels that compute more than one."""

FEWEST_PAIRED_CELLS = 4
"""Vectors of their smallest tile."""

_NAMED = {"dense-across": ACROSS, "sparse-whole": WHOLE}
_NUMBER = r"([0-9]{1,9})"
"""A number in a kernel's name, which a file may say: it fits the native engine's integers."""
_NAME = re.compile(
    f"(sparse|sparse-whole|dense-across|(?:sparse|dense){_NUMBER}|dense-winograd{_NUMBER})"
    f" {_NUMBER}x{_NUMBER} {_NUMBER}"
)


def read_choice(name: str) -> tuple[int, int, int, int, bool]:
    """Output channels at once, rows, columns, block, and whether it is one of Winograd's.

    >>> read_choice("sparse 2x7 32"), read_choice("dense6 1x2 64"), read_choice("dense-across 4x4 512")
    ((1, 2, 7, 32, False), (6, 1, 2, 64, False), (0, 4, 4, 512, False))
    >>> read_choice("sparse2 1x4 64")
    (2, 1, 4, 64, False)
    >>> read_choice("sparse-whole 4x4 32")
    (3, 4, 4, 32, False)
    >>> read_choice("dense-winograd6 2x4 64")
    (6, 2, 4, 64, True)
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise InputError(f"There is no kernel {name!r}", "a choice names one that `choices` gave", "compile it again")
    kind, several, winograd, *numbers = match.groups()
    rows, columns, block = (int(number) for number in numbers)
    group = _NAMED.get(kind, int(several or winograd or 1))
    return group, rows, columns, block, winograd is not None


def candidates(
    out: Layout,
    weight: tuple[int, ...],
    groups: int,
    density: float,
    width: int,
    registers: int,
    *,
    winograd: bool,
    whole: bool,
) -> tuple[str, ...]:
    """Kernels worth measuring, the likeliest first, for vectors of `width` floats in so many registers.

    winograd, whole: whether the shape is one for those.
    """
    assert out.image is not None
    images, _, height, columns = out.image[:4]
    across = across_tiles(images * height, columns, registers) if suits_across(out, weight, groups, width) else ()
    if out.lanes == 1:
        height, columns = 1, -(-height * out.image[6] // width)
    blocks = blocks_for(weight, groups, out.lanes)
    tiles = sparse_tiles(images * height, columns, registers)
    names = [f"sparse {rows}x{cells} {block}" for rows, cells in tiles for block in blocks]
    if whole:
        names = [*whole_tiles(height, columns, weight), *names]
    if suits_pairs(out, weight, groups):
        most = (registers - 3) // PAIRED_CHANNELS
        paired = [tile for tile in tiles if FEWEST_PAIRED_CELLS <= tile[0] * tile[1] <= most]
        names += [f"sparse{PAIRED_CHANNELS} {rows}x{cells} {block}" for rows, cells in paired for block in blocks]
    dense = [
        f"dense{group} {rows}x{cells} {block}"
        for group, rows, cells in (DENSE if registers == FEW_REGISTERS else WIDE_DENSE)
        if fits(rows, cells, images * height, columns) and (groups == 1 or weight[0] // groups % group == 0)
        for block in blocks
    ]
    across_names = [f"dense-across {rows}x{cells} {weight[1]}" for rows, cells in across]
    dense = across_names + dense
    if winograd and density >= LEAST_WINOGRAD:
        fast = [
            f"dense-winograd{group} {times}x{cells} {min(64, weight[1])}"
            for group, times, cells in (WINOGRAD if registers == FEW_REGISTERS else WIDE_WINOGRAD)
            if group != ACROSS or out.lanes == 1
        ]
        dense = fast + dense
    if groups > 1 and weight[1] == 1:
        return (*names, *across_names)
    return tuple(dense if dense and density >= MOST_DENSE else [*names, *dense])


def fits_whole(height: int, width: int, registers: int) -> bool:
    """Whether a tile can be a whole image of so many cells.

    >>> fits_whole(4, 4, 32), fits_whole(4, 4, 16), fits_whole(2, 4, 32)
    (True, False, False)
    """
    return 1 < height == width <= LARGEST_WHOLE and height * width + 3 <= registers


def whole_tiles(height: int, width: int, weight: tuple[int, ...]) -> tuple[str, ...]:
    """The kernels whose tile is a whole image.

    >>> whole_tiles(4, 4, (64, 48, 3, 3)), whole_tiles(2, 2, (64, 16, 3, 3))
    (('sparse-whole 4x4 32', 'sparse-whole 4x4 64'), ('sparse-whole 2x2 16',))
    """
    sizes = [size for size in WHOLE_BLOCKS if size < 2 * weight[1]] or [weight[1]]
    return tuple(f"sparse-whole {height}x{width} {size}" for size in sizes)


def is_whole(name: str) -> bool:
    """Whether it is one of those."""
    return read_choice(name)[0] == WHOLE


def suits_pairs(out: Layout, weight: tuple[int, ...], groups: int) -> bool:
    """Whether two output channels at once may be faster: where neighbours in a row of the kernel can't share inputs.

    Of single images they are faster only by themselves, not in a network.
    """
    return groups == 1 and weight[0] > 1 and out.lanes > 1 and weight[3] == 1


def is_even(name: str) -> bool:
    """Whether tiles have an even number of rows and columns, so that 2x2 outputs lie in one.

    >>> is_even("sparse 2x4 16"), is_even("sparse 1x8 16")
    (True, False)
    """
    return all(size % 2 == 0 for size in read_choice(name)[1:3])


def pooled_dense(weight: tuple[int, ...], registers: int) -> tuple[str, ...]:
    """The dense kernel with such tiles, where its sums fit into the registers."""
    return (f"dense6 2x2 {min(64, weight[1])}",) if registers > FEW_REGISTERS else ()


def suits_across(out: Layout, weight: tuple[int, ...], groups: int, width: int) -> bool:
    """Whether a vector of output channels belongs to single images, and to one group."""
    return out.lanes == 1 and out.key[0] == "image" and (groups == 1 or weight[0] // groups % width == 0)


def across_tiles(rows: int, columns: int, registers: int) -> list[tuple[int, int]]:
    """Tiles of pixels that leave little over, the largest first.

    >>> across_tiles(56, 56, 32), across_tiles(4, 4, 32), across_tiles(7, 7, 16)
    ([(2, 12), (3, 8), (4, 6)], [(4, 4)], [(2, 7)])
    """
    most = min(registers - 2, MOST_CELLS)
    found: list[tuple[int, int]] = []
    for high in range(1, min(rows, 4) + 1):
        wide = min(columns, most // high)
        found.append((high, -(-columns // -(-columns // wide))))
    best = max(high * wide for high, wide in found)
    return [tile for tile in found if tile[0] * tile[1] * 8 >= best * 7]


def fits(rows: int, cells: int, most_rows: int, most_cells: int) -> bool:
    """Whether a dense tile suits an output of so many rows of cells; a single cell only where there is no more."""
    return rows <= most_rows and cells <= most_cells and (rows * cells > 1 or most_rows * most_cells == 1)


def blocks_for(weight: tuple[int, ...], groups: int, lanes: int) -> tuple[int, ...]:
    """Sizes of a block of input channels.

    Of cells of a whole cache line, 16 channels of what a tile of 2x4 reads through a 3x3 kernel fill the first cache.
    """
    if groups > 1 or weight[1] <= 32:
        return (weight[1],)
    if weight[2] * weight[3] == 1:
        sizes: tuple[int, ...] = (64, 128, 256)
    else:
        sizes = (16, 24, 32, 64) if lanes == LINE else (32, 64)
    return tuple(size for size in sizes if size < 2 * weight[1])


def sparse_tiles(rows: int, columns: int, registers: int) -> list[tuple[int, int]]:
    """Tiles of 7 vectors and more that leave little over; all of it where it is smaller.

    Of 8 vectors 2x4 read the fewest lines through a 3x3 kernel, and come first; then the largest ones.

    >>> sparse_tiles(8, 8, 16), sparse_tiles(8, 8, 32)
    ([(2, 4), (1, 8), (3, 4), (4, 3)], [(2, 4), (1, 8), (3, 8), (2, 8), (4, 4), (3, 4), (4, 3)])
    """
    likely = [(high, wide) for high, wide in ((2, 4), (1, 8)) if high <= rows and wide <= columns]
    found = list(likely)
    # Three registers are left for weights and inputs; tiles for 16 registers are worth a try with 32, too.
    for most in dict.fromkeys((FEW_REGISTERS - 3, min(registers - 3, MOST_CELLS))):
        for high in range(1, min(rows, 4) + 1):
            wide = min(columns, most // high)
            found.append((high, -(-columns // -(-columns // wide))))
    best = max(high * wide for high, wide in found)
    good = [tile for tile in dict.fromkeys(found) if tile[0] * tile[1] >= min(best, 8)]
    return sorted(good, key=lambda tile: (tile not in likely, -tile[0] * tile[1]))
