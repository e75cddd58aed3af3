"""MACs of a network that is traced already, whole or with channels gone: read off its graph, without another run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from prunus.graph.node import Graph, Node, Ref, Shape, TensorType
from prunus.ops import OPS
from prunus.ops.row import Macs, no_macs

Shapes: TypeAlias = Callable[[str], Shape]
"""Shape of the tensor that a node gives, by the node's name."""


def traced_macs(graph: Graph, *shapes: Shapes) -> tuple[int, ...] | None:
    """Dense MACs for one input, as `count_cost` counts them, for each of these shapes; None where only a run can tell.

    shapes: of the tensors of the graph, which may be smaller than those that were traced.
    """
    batch, traced = _batch(graph), traced_shapes(graph)
    of_samples = {name for name in graph.inputs if name in graph.types}
    if graph.live or any(traced(name)[:1] != (batch,) for name in of_samples):
        return None
    macs = [0] * len(shapes)
    for node in graph.nodes:
        mine = [ref.name for ref in node.reads if ref.name in of_samples] if batch > 1 else []
        if mine:
            if not _stay_apart(node, mine, batch, traced):
                return None  # what one sample costs alone does not follow
            of_samples.add(node.name)
        if node.kind == "einsum" and (mine or not _is_plain(node)):
            return None
        if node.kind == "getitem":
            continue
        if node.kind not in OPS or (of_node := OPS[node.kind].macs) is None:
            return None
        samples = batch if mine else 1
        macs = [before + _product(of_node, node, known) // samples for before, known in zip(macs, shapes, strict=True)]
    return tuple(macs)


def _stay_apart(node: Node, mine: list[str], batch: int, traced: Shapes) -> bool:
    """Whether for certain the samples do not meet in an operation, and are the first dimension of what it gives.

    mine: those of its arguments that have the samples as their first dimension.
    """
    if not isinstance(node.output, TensorType) or node.output.shape[:1] != (batch,):
        return False
    shapes, only_first = [traced(name) for name in mine], mine == [node.reads[0].name]
    if node.kind.startswith("conv"):
        return only_first and len(shapes[0]) == len(traced(node.args[1].name))
    if node.kind == "linear":
        return only_first and len(shapes[0]) > 1
    row = OPS.get(node.kind)
    if row is not None and row.macs is not no_macs:
        return all(len(shape) > 2 for shape in shapes) and len(mine) == len(node.reads)
    if row is not None and row.samples == "placed":
        return node.reads[0].name not in mine
    kept = (row is not None and row.samples == "kept") or (node.kind == "permute" and node.args[1][0] == 0)
    return kept or all(batch not in shape[1:] for shape in shapes)


def traced_shapes(graph: Graph) -> Shapes:
    """The shapes that a graph was traced with."""
    types = graph.types | {node.name: node.output for node in graph.nodes}
    return lambda name: types[name].shape


def _batch(graph: Graph) -> int:
    """First dimension of the first input that has one."""
    return next((kind.shape[0] for name in graph.inputs if (kind := graph.types.get(name)) and kind.shape), 1)


def _product(macs: Macs, node: Node, shapes: Shapes) -> int:
    def shape_of(value: Any) -> Any:
        if isinstance(value, Ref):
            return shapes(value.name)
        return [shape_of(item) for item in value] if isinstance(value, (tuple, list)) else value

    return macs(shapes(node.name), *(shape_of(arg) for arg in node.args)) if macs is not no_macs else 0


def _is_plain(node: Node) -> bool:
    """Whether an einsum is one product of two tensors, over what both have and the result has not."""
    inputs, _, out = node.args[0].replace(" ", "").partition("->")
    letters = [set(each) for each in inputs.split(",")]
    if len(letters) != 2 or len(node.reads) != 2 or "." in inputs or not out or node.kwargs or len(node.args) > 2:
        return False
    whole = all(len(each) == len(found) for each, found in zip(inputs.split(","), letters, strict=True))
    summed = (letters[0] | letters[1]) - set(out)
    return whole and bool(summed) and summed <= letters[0] & letters[1]
