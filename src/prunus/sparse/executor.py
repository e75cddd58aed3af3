"""What runs a program: the native engine, and in the tests the float64 reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prunus.sparse.program import Array


@dataclass(frozen=True)
class OperationTiming:
    """One operation as it runs. `output` names it, as in the program.

    kernel: the name of what was chosen. ms: its time in a run, in milliseconds. dense_ms, sparse_ms: those of the
    faster dense and the faster sparse kernel when the engine was compiled; None where there is no such kernel or
    nothing was measured. bytes: of its packed weights. macs: multiplications with a weight, zeros included;
    nonzero_macs: those with a weight that is not 0.
    """

    output: str
    kernel: str
    ms: float
    dense_ms: float | None = None
    sparse_ms: float | None = None
    bytes: int = 0
    macs: int = 0
    nonzero_macs: int = 0


class Executor(Protocol):
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
