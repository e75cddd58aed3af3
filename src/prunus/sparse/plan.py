"""What an engine runs, as data: parts in an order, most of them programs, the rest subgraphs; what runs a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from prunus.errors import InputError
from prunus.sparse.program import Array, Program, Shape


@dataclass(frozen=True)
class Port:
    """An input of a network: its element type, as numpy names it, and its shape, batch included."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class LeftNode:
    """A node that is left to ONNX Runtime: its name in the file, its operator, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class OnnxPart:
    """A subgraph that ONNX Runtime runs.

    model: an ONNX model whose initialisers of fp32 are empty; constants: what belongs into them, by name.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[LeftNode, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)

    def complete_model(self) -> bytes:
        """The model with its constants. Raises `InputError` where it is none."""
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        try:
            proto = onnx.load_from_string(self.model)
        except DecodeError as error:
            raise InputError("A part of the network is not an ONNX model", str(error)) from None
        if any(tensor.external_data for tensor in proto.graph.initializer):
            raise InputError(
                "A part of the network takes data from another file", "a packed file holds all of its data"
            )
        for tensor in proto.graph.initializer:
            if tensor.name in self.constants:
                tensor.raw_data = self.constants[tensor.name].tobytes()
        complete: bytes = proto.SerializeToString()
        return complete


Part: TypeAlias = Program | OnnxPart


@dataclass(frozen=True)
class ExecutionPlan:
    """Parts, each run once everything that it reads is there.

    constants: those of the network's outputs that depend on no input.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    parts: tuple[Part, ...]
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def batch(self) -> int | None:
        """The first dimension of the first input; None for a network without one."""
        return next((port.shape[0] for port in self.inputs[:1] if port.shape), None)


Plan: TypeAlias = ExecutionPlan
"""The plan's name in version 0.1.0."""


@dataclass(frozen=True)
class OperationTiming:
    """One operation as it runs. `output` names it, as in the program.

    kernel: the name of what was chosen. ms: its time in a run, in milliseconds. dense_ms, sparse_ms: those of the
    faster dense and the faster sparse kernel when the engine was compiled; None where there is no such kernel or
    nothing was measured. bytes: of its packed weights. macs: multiplications with a weight, zeros included;
    nonzero_macs: those with a weight that is not 0. kept: the share of blocks of weights of 8 bits that has one; None
    for other weights.
    """

    output: str
    kernel: str
    ms: float
    dense_ms: float | None = None
    sparse_ms: float | None = None
    bytes: int = 0
    macs: int = 0
    nonzero_macs: int = 0
    kept: float | None = None


class SparseExecutor(Protocol):
    """A program made ready to run, with a fixed number of threads.

    `prunus.sparse.native.prepare(program, threads, choices)` makes one on the native engine; without choices it
    measures the kernels that each operation could run on, and keeps the fastest.
    """

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """New arrays of all outputs. inputs: C-contiguous, in the program's order, of its shapes; not checked again."""

    def choices(self) -> Mapping[str, str]:
        """Output -> kernel, for every operation that has a choice: given back to `prepare`, nothing is measured."""

    def timings(self, inputs: Sequence[Array], runs: int) -> Sequence[OperationTiming]:
        """The median time of every operation over so many runs, in the program's order."""
