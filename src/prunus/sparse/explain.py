"""What an engine does, layer by layer: as data, and as a table to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from prunus.sparse.plan import LeftNode, OnnxPart, OperationTiming, Part
from prunus.sparse.program import Operation, Program


@dataclass(frozen=True)
class LayerExplanation:
    """One operation, or one part that ONNX Runtime runs.

    Attributes:
        name: of the operation in the network.
        kind: such as `convolution`.
        kernel: what it runs on.
        ms: of a run, in milliseconds.
        sparsity: share of weights that are 0; None without weights.
        dense_ms: of the fastest dense kernel, when the engine was made.
        sparse_ms: of the fastest sparse kernel, when the engine was made.
        bytes: of the packed weights.
        gflops: billions of operations per second, zeros counted as if they were computed.
        blocks: share of blocks of weights that are computed, for kernels whose names say their size; None for others.
        left: the nodes of a part that ONNX Runtime runs, and why it does.
    """

    name: str
    kind: str
    kernel: str
    ms: float
    sparsity: float | None = None
    dense_ms: float | None = None
    sparse_ms: float | None = None
    bytes: int = 0
    gflops: float | None = None
    blocks: float | None = None
    left: tuple[LeftNode, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """All layers in the order in which they run; printing it gives a table.

    Attributes:
        threads: that the engine runs on.
        layers: a row each.
    """

    threads: int
    layers: tuple[LayerExplanation, ...]

    @property
    def ms(self) -> float:
        """The sum of all layers, in milliseconds."""
        return sum(layer.ms for layer in self.layers)

    @property
    def crossings(self) -> int:
        """How often tensors are handed from one engine to the other."""
        outside = [bool(layer.left) for layer in self.layers]
        return sum(one != other for one, other in pairwise(outside))

    def __str__(self) -> str:
        rows = [TITLES, *(_cells(layer) for layer in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
        lines = [
            "  ".join(_aligned(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        lines.append(
            f"{self.ms:.3f} ms in all, {self.threads} threads, {self.crossings} crossings to or from ONNX Runtime"
        )
        lines += [f"left to ONNX Runtime: {text}" for layer in self.layers for text in _reasons(layer.left)]
        return "\n".join(line.rstrip() for line in lines)


TITLES = ("layer", "operation", "kernel", "sparsity", "blocks", "ms", "dense ms", "sparse ms", "bytes", "GFLOP/s")


def explanation(threads: int, timed: Sequence[tuple[Part, Sequence[OperationTiming]]]) -> Explanation:
    """All parts' operations with their times."""
    layers: list[LayerExplanation] = []
    for part, timings in timed:
        if isinstance(part, OnnxPart):
            kinds = ", ".join(dict.fromkeys(node.kind for node in part.nodes))
            layers += [
                LayerExplanation(timing.output, kinds, timing.kernel, timing.ms, left=part.nodes) for timing in timings
            ]
        else:
            layers += _program_layers(part, timings)
    return Explanation(threads, tuple(layers))


def _program_layers(program: Program, timings: Sequence[OperationTiming]) -> list[LayerExplanation]:
    operations = {operation.output: operation for operation in program.operations}
    return [_layer(operations[timing.output], timing) for timing in timings]


def _layer(operation: Operation, timing: OperationTiming) -> LayerExplanation:
    macs = timing.macs
    return LayerExplanation(
        name=operation.output,
        kind=operation.kind,
        kernel=timing.kernel,
        ms=timing.ms,
        sparsity=1 - timing.nonzero_macs / macs if macs else None,
        dense_ms=timing.dense_ms,
        sparse_ms=timing.sparse_ms,
        bytes=timing.bytes,
        blocks=timing.kept,
        gflops=2 * macs / timing.ms / 1e6 if macs and timing.ms > 0 else None,
    )


def _cells(layer: LayerExplanation) -> tuple[str, ...]:
    return (
        layer.name,
        layer.kind,
        layer.kernel,
        "" if layer.sparsity is None else f"{layer.sparsity:.1%}",
        "" if layer.blocks is None else f"{layer.blocks:.1%}",
        f"{layer.ms:.3f}",
        "" if layer.dense_ms is None else f"{layer.dense_ms:.3f}",
        "" if layer.sparse_ms is None else f"{layer.sparse_ms:.3f}",
        f"{layer.bytes:,}" if layer.bytes else "",
        "" if layer.gflops is None else f"{layer.gflops:.1f}",
    )


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 3 else cell.rjust(width)


def _reasons(nodes: Sequence[LeftNode]) -> list[str]:
    """One line per operator and reason, with how many nodes have it.

    >>> _reasons([LeftNode("a", "Erf", "it is bool"), LeftNode("b", "Erf", "it is bool")])
    ['2 x Erf: it is bool']
    """
    counts: dict[tuple[str, str], int] = {}
    for node in nodes:
        key = (node.kind, node.reason)
        counts[key] = counts.get(key, 0) + 1
    return [f"{count} x {kind}: {reason}" for (kind, reason), count in counts.items()]
