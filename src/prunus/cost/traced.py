"""MACs of a network that is traced already, whole or with channels gone: read off its graph, without another run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import torch
from torch._ops import OpOverload

from prunus.cost.formulas import attention_macs, convolution_macs
from prunus.cost.ignored import is_ignored
from prunus.graph.node import Graph, Node, Ref, Shape, TensorType

Shapes: TypeAlias = Callable[[str], Shape]
"""Shape of the tensor that a node gives, by the node's name."""

_WHOLE_KINDS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d max_pool1d max_pool2d max_pool3d dropout pad
layer_norm group_norm rms_norm instance_norm reshape flatten unflatten chunk split tensor_split narrow contiguous to
hardsigmoid relu6 embedding where type_as __and__ __or__ getitem
"""
_ROWWISE_KINDS = """
view reshape flatten contiguous dropout batch_norm layer_norm rms_norm group_norm adaptive_avg_pool2d max_pool2d to
avg_pool2d relu gelu silu sigmoid tanh hardtanh hardswish clone expand add sub mul div
"""
_PLACING_KINDS = "index index_select gather index_put index_add index_copy scatter scatter_add embedding"

WHOLE = frozenset(_WHOLE_KINDS.split())
"""Operations made of others that are ignored; those that are ignored themselves stand in their own table."""

ROWWISE = frozenset(_ROWWISE_KINDS.split())
"""Operations that leave the first dimension as it is, also where another one is as long."""

PLACING = frozenset(_PLACING_KINDS.split())
"""Operations that take or put rows at given positions: those may be the samples."""


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
        if rule := PRODUCTS.get(node.kind):
            samples = batch if mine else 1
            macs = [before + _product(rule, node, known) // samples for before, known in zip(macs, shapes, strict=True)]
        elif not _holds_no_product(node.op, node.kind):
            return None
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
    if node.kind in PRODUCTS:
        return all(len(shape) > 2 for shape in shapes) and len(mine) == len(node.reads)
    if node.kind in PLACING:
        return node.reads[0].name not in mine
    kept = node.kind in ROWWISE or (node.kind == "permute" and node.args[1][0] == 0)
    return kept or all(batch not in shape[1:] for shape in shapes)


def traced_shapes(graph: Graph) -> Shapes:
    """The shapes that a graph was traced with."""
    types = graph.types | {node.name: node.output for node in graph.nodes}
    return lambda name: types[name].shape


def _batch(graph: Graph) -> int:
    """First dimension of the first input that has one."""
    return next((kind.shape[0] for name in graph.inputs if (kind := graph.types.get(name)) and kind.shape), 1)


@cache
def _holds_no_product(op: str, kind: str) -> bool:
    if kind in WHOLE:
        return True
    _, packet, overload = op.split(".")
    operation = getattr(getattr(torch.ops.aten, packet), overload)
    return isinstance(operation, OpOverload) and is_ignored(operation)


def _product(rule: Callable[..., int], node: Node, shapes: Shapes) -> int:
    if node.kind == "einsum":
        return rule(node.args[0], *(shapes(ref.name) for ref in node.reads))
    return rule(shapes(node.name), *(shapes(arg.name) if isinstance(arg, Ref) else None for arg in node.args))


def _convolution(result: Shape, _: Shape, weight: Shape, *__: Any) -> int:
    return convolution_macs(math.prod(result) // weight[0], weight)


def _transposed(_: Shape, x: Shape, weight: Shape, *__: Any) -> int:
    return convolution_macs(math.prod(x) // weight[0], weight)


def _matmul(result: Shape, left: Shape, *_: Any) -> int:
    return math.prod(result) * left[-1]


def _addmm(result: Shape, _: Shape, left: Shape, *__: Any) -> int:
    return math.prod(result) * left[-1]


def _attention(_: Shape, query: Shape, key: Shape, value: Shape, *__: Any) -> int:
    return sum(attention_macs(query[-2], key[-2], query[-1], value[-1], math.prod(query[:-2])))


def _is_plain(node: Node) -> bool:
    """Whether an einsum is one product of two tensors, over what both have and the result has not."""
    inputs, _, out = node.args[0].replace(" ", "").partition("->")
    letters = [set(each) for each in inputs.split(",")]
    if len(letters) != 2 or len(node.reads) != 2 or "." in inputs or not out or node.kwargs or len(node.args) > 2:
        return False
    whole = all(len(each) == len(found) for each, found in zip(inputs.split(","), letters, strict=True))
    summed = (letters[0] | letters[1]) - set(out)
    return whole and bool(summed) and summed <= letters[0] & letters[1]


def _einsum(equation: str, *operands: Shape) -> int:
    inputs = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, shape in zip(inputs, operands, strict=True):
        for letter, size in zip(letters, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values())


_KINDS: tuple[tuple[Callable[..., int], str], ...] = (
    (_einsum, "einsum"),
    (_convolution, "conv1d conv2d conv3d"),
    (_transposed, "conv_transpose1d conv_transpose2d conv_transpose3d"),
    (_matmul, "linear matmul mm bmm mv dot"),
    (_addmm, "addmm baddbmm"),
    (_attention, "scaled_dot_product_attention"),
)
PRODUCTS: dict[str, Callable[..., int]] = {name: rule for rule, names in _KINDS for name in names.split()}
