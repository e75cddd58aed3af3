"""Convolutions of bytes against numpy's integers of 64 bits, on every instruction set that this machine has."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.sparse.execution.layout import Tensor, image
from prunus.sparse.native import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
ISAS = []
if missing() is None:
    from prunus.sparse import _native
    from prunus.sparse.execution.convolving import view

    ISAS = _native.isas_of_this_machine()

TILES = {
    1: [(1, 1), (1, 7), (2, 2), (2, 7), (4, 4), (1, 14)],
    4: [(1, 1), (1, 2), (2, 1), (2, 3), (1, 6)],
    16: [(1, 1), (2, 2), (1, 4)],
}


def quads_of(array, width, lanes, margin, zero):
    """Bytes (batch, channels, height, width) as the engine has them, every gap filled with the zero point."""
    batch, channels, height, columns = array.shape
    layout = image((batch, -(-channels // 4), height, columns), margin, lanes, width)
    content = np.full((layout.size, 4), zero, np.uint8)
    n, c, y, x = np.indices(array.shape)
    content[places(layout, n, c // 4, y, x), c % 4] = array
    return layout, content.view(np.float32).ravel()


def places(layout, n, c, y, x):
    image_, plane, row, cell = layout.strides
    return layout.lead + n // layout.lanes * image_ + n % layout.lanes + c * plane + y * row + x * cell


def bytes_of(memory, layout, channels):
    shape = (layout.shape[0], channels, *layout.shape[2:])
    n, c, y, x = np.indices(shape)
    return memory.view(np.uint8).reshape(-1, 4)[places(layout, n, c // 4, y, x), c % 4]


def floats_of(memory, layout):
    return memory[places(layout, *np.indices(layout.shape))]


def int64_sums(data, weight, zero, stride, padding, dilation, groups):
    """The exact sums of (byte - zero) * weight."""
    batch, channels, height, width = data.shape
    padded = np.zeros((batch, channels, height + 2 * padding[0], width + 2 * padding[1]), np.int64)
    padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = data.astype(np.int64) - zero
    kernel = weight.shape[2:]
    places_ = [(padded.shape[2 + a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    ins, outs = channels // groups, weight.shape[0] // groups
    sums = np.zeros((batch, weight.shape[0], *places_), np.int64)
    for k in range(weight.shape[0]):
        first = k // outs * ins
        for y in range(kernel[0]):
            for x in range(kernel[1]):
                rows = slice(y * dilation[0], y * dilation[0] + stride[0] * (places_[0] - 1) + 1, stride[0])
                columns = slice(x * dilation[1], x * dilation[1] + stride[1] * (places_[1] - 1) + 1, stride[1])
                part = padded[:, first : first + ins, rows, columns]
                sums[:, k] += np.einsum("bcij,c->bij", part, weight[k, :, y, x].astype(np.int64))
    return sums


class Memory:
    """An engine whose memory is given and read back whole."""

    def __init__(self, isa, threads, parts):
        self.engine = _native.Engine(isa, threads)
        self.layouts = [layout for layout, _ in parts]
        self.offsets, end = [], 0
        for layout, _ in parts:
            self.offsets.append(end)
            end += -(-layout.size // 16) * 16
        self.size = end
        self.engine.allocate(end)
        for offset, (_, content) in zip(self.offsets, parts, strict=True):
            self.engine.write(offset, content)

    def view(self, place):
        tensor = Tensor(self.layouts[place], "", offset=self.offsets[place])
        return view(tensor)

    def run(self, step, place):
        out = np.empty(self.size, np.float32)
        self.engine.append(step)
        whole = _native.Strided(0, 0, [1])
        self.engine.append(self.engine.map("copy", [self.size], _native.Strided(1, 0, [1]), whole, None, None))
        self.engine.run([], [out])
        return out[self.offsets[place] : self.offsets[place] + self.layouts[place].size]


@st.composite
def layers(draw):
    """A convolution with all that it is computed from; corners are as likely as what lies between them."""
    seed = draw(st.integers(0, 2**32 - 1))
    batch, flat = draw(st.sampled_from([(1, True), (3, True), (16, False), (17, False)]))
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    ins = draw(st.sampled_from([1, 3, 4, 7, 16, 36])) if groups == 1 else draw(st.sampled_from([8, 16]))
    outs = draw(st.sampled_from([1, 3, 4, 6, 16, 33])) if groups == 1 else 32
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = (1, 1) if flat else draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    if flat:  # rows of one length: as wide as the input
        kernel = tuple(k if d * (k - 1) % 2 == 0 else 1 for d, k in zip(dilation, kernel, strict=True))
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    size = draw(st.tuples(st.integers(3, 9), st.integers(3, 9)))
    size = tuple(max(s, d * (k - 1) + 1) for s, d, k in zip(size, dilation, kernel, strict=True))
    zeros = draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    corner = draw(st.booleans())
    zero = draw(st.sampled_from([0, 128, 255, 77]))
    return seed, batch, flat, groups, ins, outs, kernel, stride, padding, dilation, size, zeros, corner, zero


def made(layer):
    seed, batch, _, groups, ins, outs, kernel, _, _, _, size, zeros, corner, _ = layer
    generator = np.random.default_rng(seed)
    pick = (
        generator.choice([0, 255], (batch, ins, *size)) if corner else generator.integers(0, 256, (batch, ins, *size))
    )
    weight = generator.integers(-128, 128, (outs, ins // groups, *kernel))
    if corner:
        weight = np.full_like(weight, -128)
    weight[generator.random(weight.shape) < zeros] = 0
    return pick.astype(np.uint8), weight.astype(np.int8), generator


def convolved(isa, threads, layer, finish, choice, first=None, added=None, residual=None):
    """What the step writes: bytes where there is a zero point, else floats; and its margins."""
    _, _, flat, groups, _, outs, _, stride, padding, dilation, _, _, _, zero = layer
    data, weight, generator = made(layer)
    width = _native.Engine(isa, 1).width
    lanes = 1 if flat else width
    sums = int64_sums(data, weight, zero, stride, padding, dilation, groups)
    factors = generator.uniform(1e-4, 1e-2, outs).astype(np.float32)
    addends = generator.normal(0, 20, outs).astype(np.float32)
    source = quads_of(data, width, lanes, padding, zero)
    shape, margin = (sums.shape[0], outs, *sums.shape[2:]), padding
    if finish[2] is None:
        layout = image(shape, margin, lanes, width)
        parts = [source, (layout, np.zeros(layout.size, np.float32))]
        if residual is not None:
            content = np.zeros(layout.size, np.float32)
            content[places(layout, *np.indices(shape))] = residual
            parts.append((layout, content))
    else:
        parts = [source, quads_of(np.full(shape, 99, np.uint8), width, lanes, margin, finish[2])]
        if residual is not None:
            parts.append(quads_of(residual, width, lanes, margin, added[0]))
    memory = Memory(isa, threads, parts)
    step = memory.engine.int8_convolution(
        memory.view(0),
        memory.view(1),
        memory.view(2) if residual is not None else None,
        weight,
        factors,
        addends,
        zero,
        stride,
        padding,
        dilation,
        groups,
        finish,
        first,
        added,
        choice,
    )
    found = memory.run(step, 1)
    return sums, factors, addends, found, memory.layouts[1]


def scaled(sums, factors, addends):
    """In fp32, each operation rounded by itself, as the kernels do it."""
    return sums.astype(np.float32) * factors[None, :, None, None] + addends[None, :, None, None]


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=40, deadline=None)
@given(layer=layers(), threads=st.sampled_from([1, 3]), data=st.data())
def test_sums_are_those_of_64_bits_and_rounding_is_that_of_onnx(isa, layer, threads, data):
    block, (rows, columns) = data.draw(choices(isa))
    zero, low, high = data.draw(st.sampled_from([(0, 0, 255), (128, 0, 255), (255, 255, 255), (3, 3, 15)]))
    finish = (float(low - zero), float(high - zero), zero)
    sums, factors, addends, found, layout = convolved(isa, threads, layer, finish, (block, rows, columns))
    expected = np.rint(np.clip(scaled(sums, factors, addends), finish[0], finish[1])) + zero
    np.testing.assert_array_equal(bytes_of(found, layout, sums.shape[1]), expected)
    outside = np.ones(layout.size, bool)
    outside[places(layout, *np.indices((-(-sums.shape[0] // layout.lanes) * layout.lanes, *layout.shape[1:])))] = False
    assert (found.view(np.uint8).reshape(-1, 4)[outside] == zero).all(), "margins keep the zero point"


def choices(isa):
    """Blocks and tiles that have a kernel."""
    most = {1: 14, 4: 6, 16: 4 if isa == "amx" else 0}
    if _native.Engine(isa, 1).registers == 16:
        most = {1: 12, 4: 2, 16: 0}
    fits = [(block, tile) for block, tiles in TILES.items() for tile in tiles if np.prod(tile) <= most[block]]
    return st.sampled_from(fits)


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=15, deadline=None)
@given(layer=layers(), data=st.data())
def test_floats_are_the_sums_themselves(isa, layer, data):
    block, tile = data.draw(choices(isa))
    finish = (-np.inf, np.inf, None)
    sums, factors, addends, found, layout = convolved(isa, 2, layer, finish, (block, *tile))
    np.testing.assert_array_equal(floats_of(found, layout), scaled(sums, factors, addends))


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=15, deadline=None)
@given(layer=layers(), data=st.data(), rounds=st.booleans(), floats=st.booleans())
def test_residuals_are_added_to_what_was_rounded(isa, layer, data, rounds, floats):
    block, tile = data.draw(choices(isa))
    finish = (0.0, np.inf, None) if floats else (-12.0, 100.0, 12)
    first = (-128.0, 127.0, 0.75) if rounds else None
    shape = int64_sums(*made(layer)[:2], layer[-1], *layer[7:10], layer[3]).shape
    generator = np.random.default_rng(1)
    residual = (
        generator.normal(0, 9, shape).astype(np.float32)
        if floats
        else generator.integers(0, 256, shape).astype(np.uint8)
    )
    added = None if floats else (40, 0.3)
    sums, factors, addends, found, layout = convolved(isa, 1, layer, finish, (block, *tile), first, added, residual)
    value = scaled(sums, factors, addends)
    if rounds:
        value = np.rint(np.clip(value, -128, 127)) * np.float32(0.75)
    if floats:
        np.testing.assert_array_equal(floats_of(found, layout), np.maximum(value + residual, 0))
    else:
        value = value + (residual.astype(np.float32) - 40) * np.float32(0.3)
        np.testing.assert_array_equal(bytes_of(found, layout, shape[1]), np.rint(np.clip(value, -12, 100)) + 12)
