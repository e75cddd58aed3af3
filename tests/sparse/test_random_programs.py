"""Programs put together at random, against the float64 reference: any operation reads what any other wrote.

python tests/sparse/test_random_programs.py 0 10000     # so many more; prints those that differ
"""

import sys

import numpy as np
import pytest

from prunus.errors import InputError
from prunus.sparse import program as p
from prunus.sparse.native import missing, prepare
from prunus.sparse.passes import simplify
from prunus.sparse.shapes import infer_shape
from sparse.reference import Reference

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
FUNCTIONS = [
    p.FusedActivation("relu"),
    p.FusedActivation("clip", -0.3, 0.8),
    p.FusedActivation("silu"),
    p.FusedActivation("tanh"),
    None,
]
LARGEST = 100_000


class Maker:
    """Draws operations that read what was written before."""

    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.constants, self.operations = {}, []
        batch = self.one_of(1, 2, 3, 16, 17)
        self.shapes = {f"x{i}": (batch, *self.sizes(self.one_of(1, 2, 3, 3), 8)) for i in (0, 1)}
        self.inputs = dict(self.shapes)
        for number in range(self.draw.integers(2, 9)):
            self.add(f"t{number}")

    def one_of(self, *choices):
        return choices[self.draw.integers(len(choices))]

    def sizes(self, count, most, least=1):
        return tuple(int(size) for size in self.draw.integers(least, most + 1, count))

    def constant(self, *shape):
        name = f"c{len(self.constants)}"
        value = self.draw.standard_normal(shape) * (self.draw.random(shape) < self.one_of(0.1, 0.4, 1))
        self.constants[name] = value.astype(np.float32)
        return name

    def add(self, output):
        given = self.one_of(*[name for name, shape in self.shapes.items() if shape][-5:])
        make = self.one_of(*MAKERS)
        shapes = self.shapes | {name: value.shape for name, value in self.constants.items()}
        operation = make(self, output, given, self.shapes[given])
        shapes |= {name: value.shape for name, value in self.constants.items()}
        if operation is None:
            return
        try:
            shape = infer_shape(operation, shapes)
        except InputError:
            return
        if np.prod(shape) <= LARGEST and len(shape) <= 6:
            self.operations.append(operation)
            self.shapes[output] = shape

    def program(self):
        read = {name for operation in self.operations for name in operation.reads}
        outputs = tuple(o.output for o in self.operations if o.output not in read or self.draw.random() < 0.15)
        constants = {name: value for name, value in self.constants.items() if name in read}
        return p.Program(self.inputs, tuple(self.operations), outputs, constants)


def convolution(m, output, given, shape):
    if len(shape) != 4:
        return None
    groups = m.one_of(1, 1, shape[1])
    kernel = m.sizes(2, 4)
    weight = m.constant(groups * m.one_of(1, 2, 5, 17), shape[1] // groups, *kernel)
    return p.Convolution(
        output=output, input=given, weight=weight, strides=m.sizes(2, 3), padding=m.sizes(4, 3, 0),
        dilation=m.sizes(2, 2), groups=groups, activation=m.one_of(*FUNCTIONS),
    )  # fmt: skip


def pool(m, output, given, shape):
    kernel = m.sizes(2, 3)
    padding = tuple(int(m.draw.integers(0, kernel[side % 2])) for side in range(4))
    kind = m.one_of("max", "average")
    counted = kind == "average" and m.one_of(True, False)
    return p.Pool(
        output=output, input=given, reduction=kind, kernel=kernel, strides=m.sizes(2, 3), padding=padding,
        count_padding=counted,
    )  # fmt: skip


def affine(m, output, given, shape):
    if len(shape) < 2:
        return None
    scale, shift = m.constant(shape[1]), m.constant(shape[1])
    return p.Affine(output=output, input=given, scale=scale, shift=shift, activation=m.one_of(*FUNCTIONS))


def linear(m, output, given, shape):
    weight = m.constant(m.one_of(1, 3, 16, 30), shape[-1])
    return p.Linear(output=output, input=given, weight=weight, activation=m.one_of(*FUNCTIONS))


def matmul(m, output, given, shape):
    fitting = [name for name, other in m.shapes.items() if len(other) >= 2 and other[-2] == shape[-1]]
    return p.MatMul(output=output, left=given, right=m.one_of(m.constant(shape[-1], 5), *fitting))


def elementwise(m, output, given, shape):
    return p.Elementwise(output=output, input=given, activation=m.one_of(*FUNCTIONS[:-1]))


def binary(m, output, given, shape):
    start = int(m.draw.integers(0, len(shape)))
    other = m.constant(*(m.one_of(1, size) for size in shape[start:]))
    sides = [given, m.one_of(other, *m.shapes)]
    m.draw.shuffle(sides)
    kind = m.one_of("add", "subtract", "multiply")
    return p.Binary(output=output, left=sides[0], right=sides[1], operator=kind, activation=m.one_of(*FUNCTIONS))


def transpose(m, output, given, shape):
    order = tuple(int(axis) for axis in m.draw.permutation(len(shape)))
    return p.Transpose(output=output, input=given, permutation=order)


def reshape(m, output, given, shape):
    axis = int(m.draw.integers(0, len(shape)))
    joined = (*shape[:axis], int(np.prod(shape[axis : axis + 2])), *shape[axis + 2 :])
    flat = (shape[0], int(np.prod(shape[1:])))
    return p.Reshape(output=output, input=given, shape=m.one_of(joined, flat, (*shape[:axis], 1, *shape[axis:])))


def softmax(m, output, given, shape):
    return p.Softmax(output=output, input=given, axis=int(m.draw.integers(0, len(shape))))


def mean(m, output, given, shape):
    axes = tuple(axis for axis in range(len(shape)) if m.draw.random() < 0.4)
    return p.Mean(output=output, input=given, axes=axes, keep=m.one_of(True, False))


def layer_norm(m, output, given, shape):
    axis = int(m.draw.integers(0, len(shape)))
    scale = m.one_of(None, m.constant(*shape[axis:]))
    return p.LayerNorm(output=output, input=given, axis=axis, epsilon=0.01, scale=scale)


def slice_(m, output, given, shape):
    starts = tuple(int(m.draw.integers(0, size)) if m.draw.random() < 0.4 else 0 for size in shape)
    steps = tuple(m.one_of(1, 1, 2) for _ in shape)
    sizes = tuple((n - start - 1) // step + 1 for n, start, step in zip(shape, starts, steps, strict=True))
    return p.Slice(output=output, input=given, starts=starts, sizes=sizes, steps=steps)


def pad(m, output, given, shape):
    before, after = m.sizes(len(shape), 2, 0), m.sizes(len(shape), 2, 0)
    return p.Pad(output=output, input=given, before=before, after=after, value=m.one_of(0.0, 1.5))


def concat(m, output, given, shape):
    axis = int(m.draw.integers(0, len(shape)))
    return p.Concat(output=output, inputs=(given, m.one_of(*m.shapes), given), axis=axis)


MAKERS = (
    *(convolution,) * 4, *(pool,) * 2, *(linear,) * 2, *(binary,) * 2, affine, matmul, elementwise, transpose, reshape,
    softmax, mean, layer_norm, slice_, pad, concat,
)  # fmt: skip


def difference(seed):
    """Why the program of this seed differs from the reference; nothing where it does not."""
    maker = Maker(seed)
    if not maker.operations:
        return ""
    program = maker.program()
    given = [maker.draw.standard_normal(shape).astype(np.float32) for shape in program.inputs.values()]
    executor = prepare(simplify(program) if seed % 2 else program, 1, None)
    found = executor.run(given)
    others = prepare(simplify(program) if seed % 2 else program, 2, executor.choices()).run(given)
    for name, one, other, expected in zip(program.outputs, found, others, Reference(program).run(given), strict=True):
        if np.abs(one - expected).max() > 2e-4 * max(np.abs(expected).max(), 0.05):
            return f"{name} of {program}"
        if not np.array_equal(one, other):
            return f"{name} on 2 threads of {program}"
    return ""


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_a_random_program_is_the_reference(first):
    for seed in range(first, first + 20):
        assert not difference(seed), seed


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        if why := difference(seed):
            print(seed, why)
