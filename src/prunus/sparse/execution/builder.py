"""What the operations' lowerings write into: tensors by name, and the steps in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from prunus.sparse.execution.layout import Layout, Tensor, columns, image, plain, squeezed
from prunus.sparse.passes.fuse import rounding_of
from prunus.sparse.program import Array, FusedActivation, FusedRounding, Operation, Pool, Program, Shape

if TYPE_CHECKING:
    from prunus.sparse import _native
    from prunus.sparse.execution.bytes import Bytes, Kind

Choice: TypeAlias = str
Make: TypeAlias = Callable[["_native.Engine", Choice], "_native.Step"]


@dataclass
class StepPlan:
    """One step to be: `make` makes it once every tensor has its place.

    operation: the output of the operation it belongs to. candidates: the kernels it could run on; empty where there is
    no choice. alike: equal for steps that cost the same, so that one is measured for all of them. kept: of weights of 8
    bits, outputs of a block -> the share of blocks that are left.
    """

    operation: str
    reads: Sequence[Tensor]
    writes: Sequence[Tensor]
    make: Make
    candidates: Sequence[Choice] = ()
    alike: object = None
    macs: int = 0
    nonzero_macs: int = 0
    kept: Mapping[int, float] = field(default_factory=dict)


@dataclass
class ProgramBuilder:
    """Lowers one program for vectors of `width` floats, so many of which the processor holds at once.

    lanes: of the batch, neighbours in images. pooled: convolution -> the pool that is computed along with it.
    """

    program: Program
    shapes: dict[str, Shape]
    width: int
    registers: int
    lanes: int
    pooled: dict[str, Pool]
    margins: dict[tuple[int, int], tuple[int, int]]  # (height, width) of images -> rows and columns of zeros
    isa: str
    lower: Callable[[ProgramBuilder, Operation], None]
    dequantize: Callable[[ProgramBuilder, Bytes], Tensor]
    bytes: dict[str, Bytes] = field(default_factory=dict)
    other_bytes: dict[tuple[str, Kind], Bytes] = field(default_factory=dict)  # made of what was there otherwise
    roundings: dict[str, FusedRounding | None] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)  # those that steps read as tensors
    values: dict[str, Array] = field(default_factory=dict)  # of constants that no file has
    steps: list[StepPlan] = field(default_factory=list)
    operation: str = ""
    finite_flags: int = 0  # floats at the beginning of the memory in which steps note whether what they wrote is finite
    _moved: dict[tuple[int, Layout], Tensor] = field(default_factory=dict)

    def image_layout(self, shape: Shape) -> Layout:
        """How an image of this shape lies."""
        return image(shape, self.margins.get((shape[2], shape[3]), (0, 0)), self.lanes, self.width)

    def columns_layout(self, shape: Shape) -> Layout:
        """How rows lie for a linear layer over many of them."""
        return columns(shape, self.width)

    def new_finite_flag(self) -> int:
        """A place for a convolution to note whether all that it wrote is finite."""
        self.finite_flags += 1
        return self.finite_flags - 1

    def constant(self, name: str | None, default: Array) -> Array:
        """A constant's values, or the default where none is named."""
        return default if name is None else np.ascontiguousarray(self.program.constants[name], dtype=np.float32)

    def weight(self, name: str, scale: str | None) -> Array:
        """A layer's weight, each output times its scale where it has one."""
        weight = self.constant(name, _NOTHING)
        if scale is not None:
            weight = weight * self.constant(scale, _NOTHING).reshape(-1, *[1] * (weight.ndim - 1))
        return weight

    def rounding(self, name: str) -> FusedRounding | None:
        """How a tensor's values were rounded, None where they were not."""
        if name not in self.roundings:
            writers = {operation.output: operation for operation in self.program.operations}
            self.roundings = {each: rounding_of(each, writers) for each in self.shapes} | self.roundings
        return self.roundings[name]

    def tensor(self, name: str) -> Tensor:
        """What an operation wrote, or a constant, as floats."""
        if name not in self.tensors and name in self.bytes:
            self.tensors[name] = self.dequantize(self, self.bytes[name])
        if name not in self.tensors:
            self.tensors[name] = self.constants[name] = Tensor(plain(self.shapes[name]), name)
        return self.tensors[name]

    def output(self, layout: Layout) -> Tensor:
        """A new tensor for what the current operation writes."""
        return self.define(self.operation, Tensor(layout, self.operation))

    def define(self, name: str, tensor: Tensor) -> Tensor:
        """Say where an output lies."""
        self.tensors[name] = tensor
        return tensor

    def add(self, reads: Sequence[Tensor], writes: Sequence[Tensor], make: Make, **more: object) -> None:
        """Append a step of the current operation."""
        self.steps.append(StepPlan(self.operation, reads, writes, make, **more))  # type: ignore[arg-type]

    def moved(self, tensor: Tensor, layout: Layout) -> Tensor:
        """The tensor in another layout: itself where it lies so already, else a copy, made once."""
        if tensor.layout == layout and tensor.owner.base == 0:
            return tensor
        key = (id(tensor), layout)
        if key not in self._moved:
            self._moved[key] = Tensor(layout, f"{tensor.name} moved", finite_flag=tensor.finite_flag)
            self.map("copy", self._moved[key], tensor)
        return self._moved[key]

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """The same elements in row-major order under another shape."""
        if tensor.layout.shape == shape:
            return tensor
        same = plain(shape) if tensor.layout.is_plain else squeezed(tensor.layout, shape)
        if same is None:
            tensor, same = self.moved(tensor, plain(tensor.layout.shape)), plain(shape)
        return Tensor(same, tensor.name, of=tensor)

    def map(
        self,
        operator: str,
        out: Tensor,
        left: Tensor,
        right: Tensor | None = None,
        activation: FusedActivation | None = None,
        *,
        window: Window | None = None,
        source: Window | None = None,
    ) -> None:
        """out[window] = activation(left[source] operator right), element by element, broadcast as in numpy."""
        to = window or Window.whole(out.layout)
        left = self._repeatable(left, len(to.shape))
        right = self._repeatable(right, len(to.shape)) if right else None
        sides = [(out, to), (left, source or Window.whole(left.layout).broadcast(to.shape))]
        if right is not None:
            sides.append((right, Window.whole(right.layout).broadcast(to.shape)))
        lanes = max(side.lanes for _, side in sides)
        reads = [tensor for tensor, _ in sides[1:]]
        given = (activation.kind, activation.a, activation.b) if activation else None
        for first, count in _batches(to.shape, lanes):
            parts = [side.batches(first, count, lanes) for _, side in sides]
            shape = parts[0][2]
            if math.prod(shape) == 0:
                continue

            def make(
                engine: _native.Engine,
                _: Choice,
                parts: list[tuple[int, tuple[int, ...], Shape]] = parts,
                shape: Shape = shape,
            ) -> _native.Step:
                from prunus.sparse import _native

                places = [
                    _native.Strided(tensor.owner.base, tensor.start + offset, strides)
                    for (tensor, _), (offset, strides, _) in zip(sides, parts, strict=True)
                ]
                return engine.map(operator, shape, places[0], places[1], places[2] if right else None, given)

            self.add(reads, [out], make)

    def filled(self) -> list[Tensor]:
        """The tensors around whose elements another byte than 0 stands."""
        found = {id(t.owner): t.owner for step in self.steps for t in (*step.reads, *step.writes) if t.layout.fill}
        return list(found.values())

    def _repeatable(self, tensor: Tensor, rank: int) -> Tensor:
        """The tensor without lanes where its batch becomes another dimension of so many."""
        same = tensor.layout.lanes == 1 or len(tensor.layout.shape) == rank
        return tensor if same else self.moved(tensor, plain(tensor.layout.shape))


_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Window:
    """A part of a tensor: where it begins, its shape, and the strides of its steps; lanes as in a layout."""

    offset: int
    shape: Shape
    strides: tuple[int, ...]
    lanes: int

    @classmethod
    def whole(cls, layout: Layout) -> Window:
        """The window that is all of a tensor."""
        return cls(0, layout.shape, layout.strides, layout.lanes)

    def broadcast(self, shape: Shape) -> Window:
        """Repeated to a larger shape, as in numpy."""
        new = len(shape) - len(self.shape)
        strides = [0] * new + [
            0 if size == 1 else stride for size, stride in zip(self.shape, self.strides, strict=True)
        ]
        return Window(
            self.offset, shape, tuple(strides), 1 if new or not self.shape or self.shape[0] == 1 else self.lanes
        )

    def batches(self, first: int, count: int, lanes: int) -> tuple[int, tuple[int, ...], Shape]:
        """Offset, strides and shape of some of the batch, cut into (images, lanes) where there are lanes."""
        if lanes == 1:
            return self.offset, self.strides, self.shape
        inner = self.strides[0] if self.lanes == 1 else 1
        outer = self.strides[0] * lanes if self.lanes == 1 else self.strides[0]
        full = count - count % lanes
        shape = (full // lanes, lanes, *self.shape[1:]) if full else (1, count, *self.shape[1:])
        return self.offset + first // lanes * outer, (outer, inner, *self.strides[1:]), shape


def _batches(shape: Shape, lanes: int) -> list[tuple[int, int]]:
    """Runs of the batch in which all lanes are there, and what is left over: (first, count) each."""
    if lanes == 1:
        return [(0, 0)]
    full = shape[0] - shape[0] % lanes
    return [run for run in ((0, full), (full, shape[0] - full)) if run[1]]
