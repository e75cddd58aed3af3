import numpy as np
import pytest

from prunus.errors import InputError
from prunus.sparse.program import (
    Binary,
    Concat,
    Convolution,
    Elementwise,
    FusedActivation,
    Linear,
    Mean,
    Operation,
    Pad,
    Pool,
    Program,
    Reshape,
    Slice,
    Transpose,
)
from prunus.sparse.shapes import infer_shapes
from sparse.reference import Reference

IMAGE = np.arange(2 * 4 * 5 * 6, dtype=np.float32).reshape(2, 4, 5, 6)
WEIGHT = np.ones((6, 2, 3, 2), np.float32)
ROWS = np.ones((3, 6), np.float32)

OPERATIONS: list[tuple[Operation, tuple[int, ...]]] = [
    (Convolution(output="y", input="x", weight="w", groups=2), (2, 6, 3, 5)),
    (
        Convolution(output="y", input="x", weight="w", groups=2, strides=(2, 3), padding=(1, 0, 2, 3), dilation=(3, 4)),
        (2, 6, 1, 2),
    ),
    (Linear(output="y", input="x", weight="r"), (2, 4, 5, 3)),
    (Pool(output="y", input="x", reduction="max", kernel=(2, 2), strides=(2, 2), padding=(0, 0, 1, 0)), (2, 4, 3, 3)),
    (Mean(output="y", input="x", axes=(2, 3), keep=True), (2, 4, 1, 1)),
    (Mean(output="y", input="x", axes=(0, 2), keep=False), (4, 6)),
    (Concat(output="y", inputs=("x", "x"), axis=1), (2, 8, 5, 6)),
    (Slice(output="y", input="x", starts=(0, 1, 0, 1), sizes=(2, 1, 5, 3), steps=(1, 1, 1, 2)), (2, 1, 5, 3)),
    (Pad(output="y", input="x", before=(0, 0, 1, 2), after=(0, 0, 0, 3), value=7.0), (2, 4, 6, 11)),
    (Reshape(output="y", input="x", shape=(8, 30)), (8, 30)),
    (Transpose(output="y", input="x", permutation=(0, 3, 1, 2)), (2, 6, 4, 5)),
    (Elementwise(output="y", input="x", activation=FusedActivation("clip", 3.0, 9.0)), (2, 4, 5, 6)),
    (Binary(output="y", left="x", right="s", operator="multiply"), (2, 4, 5, 6)),
]


def program(*operations: Operation) -> Program:
    scale = np.ones((4, 1, 1), np.float32)
    constants = {"w": WEIGHT, "r": ROWS, "s": scale}
    return Program({"x": IMAGE.shape}, operations, (operations[-1].output,), constants)


@pytest.mark.parametrize(("operation", "shape"), OPERATIONS, ids=lambda value: getattr(value, "kind", ""))
def test_the_reference_writes_the_shape_that_is_inferred(operation, shape):
    made = program(operation)
    assert infer_shapes(made)["y"] == shape
    assert Reference(made).run([IMAGE])[0].shape == shape


def test_slices_pads_and_averages_are_those_of_the_definition():
    rows = Slice(output="a", input="x", starts=(0, 0, 1, 0), sizes=(1, 1, 2, 3), steps=(1, 1, 3, 2))
    padded = Pad(output="b", input="a", before=(0, 0, 0, 1), after=(0, 0, 1, 0), value=-1.0)
    average = Pool(output="c", input="b", reduction="average", kernel=(2, 2), strides=(2, 2), padding=(1, 0, 0, 0))
    tensors = Reference(program(rows, padded, average)).all_tensors([IMAGE])
    assert tensors["a"].tolist() == [[[[6.0, 8.0, 10.0], [24.0, 26.0, 28.0]]]]
    assert tensors["b"].tolist() == [[[[-1.0, 6.0, 8.0, 10.0], [-1.0, 24.0, 26.0, 28.0], [-1.0] * 4]]]
    assert tensors["c"].tolist() == [[[[2.5, 9.0], [(-1 + 24 - 2) / 4, (26 + 28 - 2) / 4]]]]


REFUSED = {
    "Nothing writes 'z'": Linear(output="y", input="z", weight="r"),
    "Its weight is not a constant": Linear(output="y", input="x", weight="x"),
    "6 channels are not 4 groups": Convolution(output="y", input="x", weight="w", groups=4),
    "no 3 elements": Slice(output="y", input="x", starts=(0, 2, 0, 0), sizes=(2, 3, 5, 6), steps=(1, 1, 1, 1)),
    "different numbers": Reshape(output="y", input="x", shape=(7, 7)),
    "do not go together": Binary(output="y", left="x", right="r", operator="add"),
    "in the padding": Pool(output="y", input="x", reduction="max", kernel=(2, 2), padding=(2, 0, 0, 0)),
    "two tensors": Elementwise(output="x", input="x", activation=FusedActivation("relu")),
}


@pytest.mark.parametrize(("message", "operation"), REFUSED.items())
def test_a_program_whose_parts_do_not_fit_is_refused(message, operation):
    with pytest.raises(InputError, match=message):
        infer_shapes(program(operation))
