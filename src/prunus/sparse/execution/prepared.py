"""A program on the native engine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunus.sparse.execution.builder import Builder
from prunus.sparse.execution.choosing import Chooser
from prunus.sparse.execution.layout import plain
from prunus.sparse.execution.margins import margins_of
from prunus.sparse.execution.memory import Tensor, place
from prunus.sparse.execution.operations import LOWERINGS
from prunus.sparse.execution.pooling import pooled_convolutions
from prunus.sparse.executor import OperationTiming
from prunus.sparse.program import Array, Program
from prunus.sparse.shapes import infer_shapes

if TYPE_CHECKING:
    from prunus.sparse import _native

MOST_IDLE_LANES = 0.5
"""The batch goes innermost unless more lanes than this, per element of the batch, would be idle."""


class NativeExecutor:
    """Steps of a native engine, and what is known of each."""

    def __init__(self, program: Program, threads: int, choices: Mapping[str, str], isa: str = "") -> None:
        from prunus.sparse import _native

        self._program = program
        self._shapes = infer_shapes(program)
        self._engine = _native.Engine(isa, threads)
        builder = _lower(program, self._shapes, self._engine)
        self._engine.allocate(_place(builder))
        for name, tensor in builder.constants.items():
            values = builder.values.get(name)
            values = program.constants[name] if values is None else values
            self._engine.write(tensor.offset, np.ascontiguousarray(values))
        chooser = Chooser(self._engine, choices)
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
        )

    def _new_outputs(self) -> list[Array]:
        return [np.empty(self._shapes[name], np.float32) for name in self._program.outputs]


def _lower(program: Program, shapes: dict[str, tuple[int, ...]], engine: _native.Engine) -> Builder:
    """All steps of a program, from its inputs to its outputs."""
    batch = next((shape[0] for shape in program.inputs.values() if shape), 1)
    idle = -batch % engine.width / batch
    lanes = engine.width if batch > 1 and idle <= MOST_IDLE_LANES else 1
    pooled = pooled_convolutions(program, shapes, engine.registers) if lanes > 1 else {}
    margins = margins_of(program, shapes, lanes)
    builder = Builder(program, shapes, engine.width, engine.registers, lanes, pooled, margins)
    for index, (name, shape) in enumerate(program.inputs.items()):
        builder.define(name, Tensor(plain(shape), name, base=1 + index))
    for op in program.operations:
        builder.operation = op.output
        LOWERINGS[type(op)](builder, op)
    for index, name in enumerate(program.outputs):
        builder.operation = name
        given = builder.tensors[name]
        out = Tensor(plain(given.layout.shape), name, base=1 + len(program.inputs) + index)
        builder.map("copy", out, given)
    return builder


def _place(builder: Builder) -> int:
    """Give every tensor its place; returns the floats that the engine needs."""
    end = builder.doubts
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
