"""Passes make programs shorter and compute the same."""

import math

import numpy as np
import pytest

from prunus.sparse.passes import simplify
from prunus.sparse.program import (
    Affine,
    Binary,
    Convolution,
    Elementwise,
    FusedActivation,
    LayerNorm,
    Linear,
    Mean,
    Pad,
    Program,
    Reshape,
    Transpose,
)
from sparse.reference import Reference

GENERATOR = np.random.default_rng(3)


def values(*shape):
    return GENERATOR.standard_normal(shape).astype(np.float32)


CONSTANTS = {
    "w": values(4, 3, 3, 3), "scale": values(4), "shift": values(4), "bias": values(1, 4, 1, 1),
    "rows": values(5, 6), "row_bias": values(5), "norm": values(6), "one": np.array([1], np.float32),
    "half": np.array(0.5, np.float32), "root": np.array(math.sqrt(2), np.float32),
    "eps": np.array(1e-3, np.float32), "three": np.array(3, np.float32), "six": np.array(6, np.float32),
    "cubic": np.array(0.044715, np.float32), "inner": np.array(math.sqrt(2 / math.pi), np.float32),
}  # fmt: skip
IMAGE = {"x": (2, 3, 6, 5)}
ROWS = {"x": (2, 7, 6)}


def activate(output, given, kind, a=0.0, b=0.0):
    return Elementwise(output=output, input=given, activation=FusedActivation(kind, a, b))


def binary(output, left, operator, right):
    names = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
    return Binary(output=output, left=left, right=right, operator=names[operator])


CONV = Convolution(output="c", input="x", weight="w", padding=(1, 1, 1, 1))
PROGRAMS = {
    "conv, norm, relu": (
        IMAGE,
        [CONV, Affine(output="n", input="c", scale="scale", shift="shift"), activate("y", "n", "relu")],
        ["convolution"],
    ),
    "conv, bias, norm, residual, relu": (
        IMAGE | {"r": (2, 4, 6, 5)},
        [
            CONV,
            binary("b", "bias", "+", "c"),
            Affine(output="n", input="b", scale="scale", shift="shift"),
            binary("s", "r", "+", "n"),
            activate("y", "s", "relu"),
        ],
        ["convolution"],
    ),
    "two convs added": (
        IMAGE,
        [CONV, Convolution(output="d", input="x", weight="w", padding=(1, 1, 1, 1)), binary("y", "c", "+", "d")],
        ["convolution", "convolution"],
    ),
    "pad, conv": (
        IMAGE,
        [
            Pad(output="p", input="x", before=(0, 0, 0, 2), after=(0, 0, 1, 1)),
            Convolution(output="y", input="p", weight="w"),
        ],
        ["convolution"],
    ),
    "linear, bias, tanh": (
        ROWS,
        [Linear(output="l", input="x", weight="rows"), binary("b", "l", "+", "row_bias"), activate("y", "b", "tanh")],
        ["linear"],
    ),
    "read twice": (
        IMAGE,
        [CONV, activate("a", "c", "relu"), binary("y", "a", "+", "c")],
        ["convolution", "elementwise", "binary"],
    ),
    "a residual that is broadcast": (
        IMAGE | {"r": (1, 4, 1, 1)},
        [CONV, binary("y", "c", "+", "r")],
        ["convolution", "binary"],
    ),
    "reshapes": (
        ROWS,
        [
            Reshape(output="a", input="x", shape=(14, 6)),
            Reshape(output="b", input="a", shape=(2, 7, 6)),
            Transpose(output="t", input="b", permutation=(0, 1, 2)),
            activate("y", "t", "relu"),
        ],
        ["elementwise"],
    ),
    "silu": (ROWS, [activate("s", "x", "sigmoid"), binary("y", "x", "*", "s")], ["elementwise"]),
    "hard swish": (
        ROWS,
        [activate("s", "x", "hard_sigmoid", 1 / 6, 0.5), binary("y", "s", "*", "x")],
        ["elementwise"],
    ),
    "hard swish by clip": (
        ROWS,
        [
            binary("a", "x", "+", "three"), activate("c", "a", "clip", 0.0, 6.0),
            binary("m", "x", "*", "c"), binary("y", "m", "/", "six"),
        ],
        ["elementwise"],
    ),
    "gelu": (
        ROWS,
        [
            binary("d", "x", "/", "root"), activate("e", "d", "erf"), binary("a", "e", "+", "one"),
            binary("m", "x", "*", "a"), binary("y", "m", "*", "half"),
        ],
        ["elementwise"],
    ),
    "gelu in another order": (
        ROWS,
        [
            binary("h", "half", "*", "x"), binary("d", "x", "/", "root"), activate("e", "d", "erf"),
            binary("a", "one", "+", "e"), binary("y", "h", "*", "a"),
        ],
        ["elementwise"],
    ),
    "gelu by tanh": (
        ROWS,
        [
            binary("x2", "x", "*", "x"), binary("x3", "x2", "*", "x"), binary("k", "x3", "*", "cubic"),
            binary("s", "x", "+", "k"), binary("i", "s", "*", "inner"), activate("t", "i", "tanh"),
            binary("a", "t", "+", "one"), binary("h", "x", "*", "half"), binary("y", "h", "*", "a"),
        ],
        ["elementwise"],
    ),
    "not quite gelu": (
        ROWS,
        [
            binary("d", "x", "/", "root"), activate("e", "d", "erf"), binary("a", "e", "+", "half"),
            binary("m", "x", "*", "a"), binary("y", "m", "*", "half"),
        ],
        ["binary", "binary", "binary", "binary"],
    ),
    "layer norm": (
        ROWS,
        [
            Mean(output="m", input="x", axes=(2,), keep=True), binary("d", "x", "-", "m"),
            binary("q", "d", "*", "d"), Mean(output="v", input="q", axes=(2,), keep=True),
            binary("e", "v", "+", "eps"), activate("r", "e", "sqrt"), binary("n", "d", "/", "r"),
            binary("g", "n", "*", "norm"), binary("y", "norm", "+", "g"),
        ],
        ["layer_norm"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_shorter_program_computes_the_same(name):
    inputs, operations, kinds = PROGRAMS[name]
    program = Program(inputs, tuple(operations), ("y",), CONSTANTS)
    simplified = simplify(program)
    assert [operation.kind for operation in simplified.operations] == kinds
    arrays = [values(*shape) for shape in inputs.values()]
    (expected,), (found,) = Reference(program).run(arrays), Reference(simplified).run(arrays)
    assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert set(simplified.constants) <= {name for op in simplified.operations for name in op.reads}


def test_an_output_in_the_middle_stays():
    program = Program(IMAGE, (CONV, activate("y", "c", "relu")), ("c", "y"), CONSTANTS)
    assert simplify(program).operations == program.operations


def test_a_fold_that_is_not_finite_stays_so():
    constants = CONSTANTS | {"scale": np.array([np.inf, 1, np.nan, 1], np.float32)}
    affine = Affine(output="y", input="c", scale="scale", shift="shift")
    (found,) = Reference(simplify(Program(IMAGE, (CONV, affine), ("y",), constants))).run([values(2, 3, 6, 5)])
    assert not np.isfinite(found[:, [0, 2]]).any()
    assert np.isfinite(found[:, [1, 3]]).all()


def test_folded_zeros_stay_zeros():
    weight = CONSTANTS["w"] * (GENERATOR.random((4, 3, 3, 3)) < 0.2)
    affine = Affine(output="y", input="c", scale="scale", shift="shift")
    program = simplify(Program(IMAGE, (CONV, affine), ("y",), CONSTANTS | {"w": weight}))
    (operation,) = program.operations
    assert isinstance(operation, Convolution)
    folded = program.constants[operation.weight]
    assert np.array_equal(folded == 0, weight == 0)
    assert not np.signbit(folded[folded == 0]).any()


def test_a_norm_scaled_twice_is_scaled_once_by_the_product():
    norm = LayerNorm(output="n", input="x", axis=2, epsilon=1e-5)
    program = Program(ROWS, (norm, binary("s", "n", "*", "norm"), binary("y", "s", "*", "norm")), ("y",), CONSTANTS)
    assert [operation.kind for operation in simplify(program).operations] == ["layer_norm", "binary"]
