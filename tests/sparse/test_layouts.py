"""Operations read what others wrote in any layout, over any axis, at batches with and without lanes."""

from itertools import combinations, permutations

import numpy as np
import pytest

from prunus.sparse.native import missing, prepare
from prunus.sparse.program import (
    Affine,
    Binary,
    Concat,
    Convolution,
    Elementwise,
    FusedActivation,
    LayerNorm,
    Linear,
    MatMul,
    Mean,
    Pad,
    Pool,
    Program,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)
from sparse.reference import Reference

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
AXES = range(4)


def values(*shape, seed=4):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def at(axis, number, other=0):
    return tuple(number if place == axis else other for place in AXES)


def of_images(given, shape):
    """Everything that can be done with images, along every axis."""
    for axis in AXES:
        yield Softmax(output=f"{given}.softmax{axis}", input=given, axis=axis)
        yield LayerNorm(output=f"{given}.norm{axis}", input=given, axis=axis, epsilon=0.01)
        yield Concat(output=f"{given}.concat{axis}", inputs=(given, given), axis=axis)
        yield Pad(output=f"{given}.pad{axis}", input=given, before=at(axis, 1), after=at(axis, 2), value=0.5)
        half = tuple(size - size // 2 if place == axis else size for place, size in enumerate(shape))
        starts = at(axis, shape[axis] // 2)
        yield Slice(output=f"{given}.slice{axis}", input=given, starts=starts, sizes=half, steps=(1,) * 4)
        folded = (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]) if axis < 3 else (1, *shape)
        yield Reshape(output=f"{given}.reshape{axis}", input=given, shape=folded)
    for count in (1, 2, 3):
        for axes in combinations(AXES, count):
            yield Mean(output=f"{given}.mean{axes}", input=given, axes=axes, keep=len(axes) == 2)
    for order in permutations(AXES):
        yield Transpose(output=f"{given}.transpose{order}", input=given, permutation=order)
    yield Pool(output=f"{given}.pool", input=given, reduction="max", kernel=(2, 2), strides=(2, 1))
    yield Affine(output=f"{given}.affine", input=given, scale="scale", shift="scale")
    yield Linear(output=f"{given}.linear", input=given, weight="rows")
    yield MatMul(output=f"{given}.matmul", left=given, right="columns")
    yield Elementwise(output=f"{given}.tanh", input=given, activation=FusedActivation("tanh"))
    yield Binary(output=f"{given}.times", left=given, right="row", operator="multiply")
    yield Binary(output=f"{given}.less", left="channels", right=given, operator="subtract")


def repeated(batch):
    """What has as many dimensions less becomes other dimensions of something larger."""
    pooled = Mean(output="pooled", input="c", axes=(2, 3), keep=False)
    yield pooled
    yield Binary(output="pooled.repeated", left="large", right="pooled", operator="add")
    yield Binary(output="image.repeated", left="c", right="larger", operator="multiply")
    yield Reshape(output="flat", input="pooled", shape=(batch * 8,))
    yield Linear(output="pooled.linear", input="pooled", weight="wide")
    yield Binary(output="linear.repeated", left="pooled.linear", right="large", operator="subtract")


@pytest.mark.parametrize("batch", [1, 3, 16, 17])
def test_every_operation_reads_every_layout(batch):
    shape = (batch, 8, 5, 4)
    first = Convolution(output="c", input="x", weight="w", padding=(1, 1, 1, 1))
    operations = (first, *of_images("c", shape), *of_images("x", shape), *repeated(batch))
    inputs = {"x": shape, "large": (2, batch, 8), "larger": (2, batch, 8, 5, 4)}
    constants = {
        "w": values(8, 8, 3, 3), "scale": values(8), "rows": values(6, 4), "columns": values(4, 3), "row": values(4),
        "channels": values(8, 1, 1), "wide": values(8, 8),
    }  # fmt: skip
    program = Program(inputs, operations, tuple(operation.output for operation in operations), constants)
    given = [values(*size, seed=seed) for seed, size in enumerate(inputs.values())]
    found = prepare(program, 2, None).run(given)
    for name, array, expected in zip(program.outputs, found, Reference(program).run(given), strict=True):
        assert array.shape == expected.shape, name
        assert np.abs(array - expected).max() < 1e-4, name
