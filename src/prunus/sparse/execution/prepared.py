"""A program on the native engine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunus.errors import MissingError
from prunus.sparse.execution.blocks import read_blocks
from prunus.sparse.execution.builder import ProgramBuilder
from prunus.sparse.execution.bytes import dequantized
from prunus.sparse.execution.choosing import Chooser
from prunus.sparse.execution.layout import Tensor, place, plain
from prunus.sparse.execution.operations import LOWERINGS
from prunus.sparse.execution.pixels import pooled_convolutions, suits_pixels
from prunus.sparse.execution.whole import lower_bytes
from prunus.sparse.plan import OperationTiming
from prunus.sparse.program import Affine, Array, Convolution, Operation, Program, Shape
from prunus.sparse.shapes import LARGEST_IMAGE_BYTES, infer_shapes
from prunus.system.memory import half_of_memory

if TYPE_CHECKING:
    from prunus.sparse import _native


MOST_IDLE_LANES = 0.5
"""The batch goes innermost unless more lanes than this, per element of the batch, would be idle."""


class NativeExecutor:
    """Steps of a native engine, and what is known of each."""

    def __init__(
        self, program: Program, threads: int, choices: Mapping[str, str], isa: str = "", *, fixed: bool = False
    ) -> None:
        from prunus.sparse import _native

        self._program = program
        self._shapes = infer_shapes(program)
        try:
            self._engine = _native.Engine(isa, threads)
        except RuntimeError as error:  # std::system_error: of memory for them, or of a limit on processes
            raise MissingError(f"{threads} threads cannot be started", str(error), "give fewer threads") from None
        builder = _lower(program, self._shapes, self._engine)
        self._engine.allocate(_checked(_place(builder)))
        for name, tensor in builder.constants.items():
            values = builder.values.get(name)
            values = program.constants[name] if values is None else values
            self._engine.write(tensor.offset, np.ascontiguousarray(values))
        for tensor in builder.filled():
            self._engine.fill(tensor.offset, tensor.layout.size, tensor.layout.fill)
        chooser = Chooser(self._engine, choices, fixed=fixed)
        self._chosen = [chooser.choose(step) for step in builder.steps]
        for chosen in self._chosen:
            self._engine.append(chosen.step)
        self._plans = builder.steps

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """New arrays of all outputs."""
        outputs = self._new_outputs()
        self._engine.run(list(inputs), outputs)
        return outputs

    def choices(self) -> Mapping[str, str]:
        """Output -> kernel, for every operation that has a choice."""
        pairs = zip(self._plans, self._chosen, strict=True)
        return {plan.operation: chosen.kernel for plan, chosen in pairs if plan.candidates}

    def timings(self, inputs: Sequence[Array], runs: int) -> Sequence[OperationTiming]:
        """The median time of every operation over so many runs, in the program's order."""
        outputs, given = self._new_outputs(), list(inputs)
        samples = [self._engine.run(given, outputs, timed=True) for _ in range(runs)]
        seconds = [statistics.median(step) for step in zip(*samples, strict=True)]
        return [self._timing(op.output, op.kind, seconds) for op in self._program.operations]

    def _timing(self, output: str, kind: str, seconds: list[float]) -> OperationTiming:
        mine = [i for i, plan in enumerate(self._plans) if plan.operation == output]
        main = next((i for i in mine if self._plans[i].candidates), None)
        ms = 1e3 * sum(seconds[i] for i in mine)
        if main is None:
            return OperationTiming(output, kind, ms)
        chosen, plan = self._chosen[main], self._plans[main]
        return OperationTiming(
            output,
            chosen.kernel,
            ms,
            chosen.dense_ms,
            chosen.sparse_ms,
            sum(self._chosen[i].step.size_bytes for i in mine),
            plan.macs,
            plan.nonzero_macs,
            plan.kept.get(read_blocks(chosen.kernel)[0]) if plan.kept else None,
        )

    def _new_outputs(self) -> list[Array]:
        return [np.empty(self._shapes[name], np.float32) for name in self._program.outputs]


def _lower(program: Program, shapes: dict[str, tuple[int, ...]], engine: _native.Engine) -> ProgramBuilder:
    """All steps of a program, from its inputs to its outputs."""
    lanes = _lanes(program, shapes, engine.width)
    pooled = pooled_convolutions(program, shapes, engine.registers) if lanes > 1 else {}
    margins = margins_of(program, shapes, lanes)
    builder = ProgramBuilder(
        program=program,
        shapes=shapes,
        width=engine.width,
        registers=engine.registers,
        lanes=lanes,
        pooled=pooled,
        margins=margins,
        isa=engine.isa,
        lower=_lower_operation,
        dequantize=dequantized,
    )
    for index, (name, shape) in enumerate(program.inputs.items()):
        builder.define(name, Tensor(plain(shape), name, base=1 + index))
    for op in program.operations:
        builder.operation = op.output
        _lower_operation(builder, op)
    for index, name in enumerate(program.outputs):
        builder.operation = name
        given = builder.tensor(name)
        out = Tensor(plain(given.layout.shape), name, base=1 + len(program.inputs) + index)
        builder.map("copy", out, given)
    return builder


def _lower_operation(builder: ProgramBuilder, op: Operation) -> None:
    lower_bytes(builder, op, LOWERINGS.get(type(op), _nothing))


def _nothing(builder: ProgramBuilder, op: Operation) -> None:  # noqa: ARG001
    raise AssertionError(f"{op.kind} has no kernel for floats")  # it is lowered on bytes always


def _lanes(program: Program, shapes: dict[str, tuple[int, ...]], width: int) -> int:
    """Elements of the batch that are neighbours in images: a vector of them, or one."""
    batch = next((shape[0] for shape in program.inputs.values() if shape), 1)
    idle = -batch % width / batch
    if batch == 1 or idle > MOST_IDLE_LANES:
        return 1
    images = [shapes[op.input] for op in program.operations if isinstance(op, Convolution | Affine)]
    largest = max((math.prod(shape[1:]) for shape in images), default=0)
    return width if 4 * largest * width < LARGEST_IMAGE_BYTES // 2 else 1


def _checked(floats: int) -> int:
    """The floats that an engine's tensors take. Raises `MissingError` where they are too many for this machine."""
    most = half_of_memory()
    if 4 * floats > most:
        raise MissingError(
            "The engine cannot be made",
            f"its tensors take {4 * floats:,} bytes, and half of this machine's memory, {most:,}, is the most",
            "smaller batches and images take less",
        )
    return floats


def _place(builder: ProgramBuilder) -> int:
    """Give every tensor its place; returns the floats that the engine needs."""
    end = builder.finite_flags
    for tensor in builder.constants.values():
        tensor.offset = end
        end += math.prod(tensor.layout.shape)
    constants = {id(tensor) for tensor in builder.constants.values()}
    first: dict[int, tuple[Tensor, int]] = {}
    for index, step in enumerate(builder.steps):
        for tensor in (*step.reads, *step.writes):
            owner = tensor.owner
            if owner.base == 0 and id(owner) not in constants:
                first.setdefault(id(owner), (owner, index))
                owner.last_use = index
    return place(list(first.values()), end + (-end % 16))


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
