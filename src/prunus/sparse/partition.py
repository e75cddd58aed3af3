"""Dividing a graph: what the native engine covers, and what is left to ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunus.errors import InputError
from prunus.sparse.lowering import lower
from prunus.sparse.lowering.lowered import Lowered
from prunus.sparse.onnx_graph import NotCoveredError, OnnxGraph, OnnxNode, outer_reads
from prunus.sparse.passes import simplify
from prunus.sparse.plan import ExecutionPlan, LeftNode, OnnxPart, Part, Port
from prunus.sparse.program import Array, Convolution, Linear, MatMul, Operation, Program

if TYPE_CHECKING:
    import onnx

WEIGHTY = (Convolution, Linear, MatMul)
"""Operations that are worth handing tensors over to the native engine."""


class _UndeclaredError(Exception):
    """A tensor between two parts whose type is not known; the text is its name."""


@dataclass(frozen=True)
class _Placed:
    """A node, and the operations that it becomes or the reason why it becomes none."""

    node: OnnxNode
    found: Lowered | str

    @property
    def native(self) -> bool:
        return isinstance(self.found, Lowered)

    @property
    def reads(self) -> set[str]:
        """Names from outside of the node."""
        if not isinstance(self.found, Lowered):
            return set(outer_reads(self.node.proto))
        own = {operation.output for operation in self.found.operations} | set(self.found.constants)
        return {name for operation in self.found.operations for name in operation.reads} - own


def partition(graph: OnnxGraph) -> ExecutionPlan:
    """All parts, in an order in which they can run, with as few crossings as the order of the graph allows."""
    every = [_place(node, graph) for node in graph.nodes]
    placed = _needed(every, graph)
    groups = _groups(placed)
    if not all(item.native for item in placed):
        # From all nodes anew: a pattern whose nodes were taken by a native operation is read again where that goes.
        placed = _needed(_without_light_groups(every, groups), graph)
        groups = _groups(placed)
    try:
        parts = tuple(_part(group, graph, _read_elsewhere(group, placed, graph)) for group in groups)
    except _UndeclaredError as error:
        reason = f"ONNX Runtime does not say what {str(error)!r} is, where it would be divided"
        whole = [_Placed(item.node, reason) for item in every]
        parts = (_part(whole, graph, set(graph.outputs)),)
    return ExecutionPlan(tuple(_ports(graph)), graph.outputs, parts, dict(_constant_outputs(graph)))


def leave_whole(given: onnx.ModelProto, fixed: onnx.ModelProto, reason: str) -> ExecutionPlan:
    """The plan of a network that ONNX Runtime runs whole, as it was given; fixed: the same with the inputs' sizes."""
    graph = OnnxGraph(fixed)
    ports = tuple(_ports(graph))
    nodes = tuple(LeftNode(node.name, node.op_type, reason) for node in given.graph.node)
    part = OnnxPart(given.SerializeToString(), tuple(port.name for port in ports), graph.outputs, nodes)
    return ExecutionPlan(ports, graph.outputs, (part,))


def _place(node: OnnxNode, graph: OnnxGraph) -> _Placed:
    try:
        return _Placed(node, lower(node, graph))
    except NotCoveredError as error:
        return _Placed(node, str(error))


def _needed(placed: list[_Placed], graph: OnnxGraph) -> list[_Placed]:
    """The nodes on which an output depends: what was part of a pattern may be read no longer."""
    read = set(graph.outputs)
    kept: list[_Placed] = []
    for item in reversed(placed):
        if read.intersection(item.node.outputs):
            kept.append(item)
            read |= item.reads
    return kept[::-1]


def _groups(placed: list[_Placed]) -> list[list[_Placed]]:
    """Nodes by how often the way to them crosses between the two engines; even groups are native."""
    crossings: dict[str, int] = {}
    groups: dict[int, list[_Placed]] = {}
    for item in placed:
        parity = 0 if item.native else 1
        depth = max((crossings.get(name, 0) for name in item.reads), default=0)
        # The least number that is not below that of what it reads and has the node's own parity: so groups in order of
        # their numbers never read from a later one.
        depth += (depth + parity) % 2
        crossings.update(dict.fromkeys(item.node.outputs, depth))
        groups.setdefault(depth, []).append(item)
    return [groups[depth] for depth in sorted(groups)]


def _without_light_groups(every: list[_Placed], groups: list[list[_Placed]]) -> list[_Placed]:
    """Native groups without a weighty operation go to ONNX Runtime, which runs what is around them."""
    weighty = {id(item.node) for group in groups if not _is_light(group) for item in group}
    reason = "what is around it runs in ONNX Runtime"
    return [item if id(item.node) in weighty or not item.native else _Placed(item.node, reason) for item in every]


def _is_light(group: list[_Placed]) -> bool:
    operations = [op for item in group if isinstance(item.found, Lowered) for op in item.found.operations]
    return group[0].native and not any(isinstance(op, WEIGHTY) for op in operations)


def _read_elsewhere(group: list[_Placed], placed: list[_Placed], graph: OnnxGraph) -> set[str]:
    inside = {id(item.node) for item in group}
    return set(graph.outputs).union(*(item.reads for item in placed if id(item.node) not in inside))


def _part(group: list[_Placed], graph: OnnxGraph, read_elsewhere: set[str]) -> Part:
    written = {name for item in group for name in item.node.outputs if name}
    outputs = tuple(sorted(written & read_elsewhere))
    if group[0].native:
        return _program(group, graph, outputs)
    return _onnx_part(group, graph, written, outputs)


def _program(group: list[_Placed], graph: OnnxGraph, outputs: tuple[str, ...]) -> Program:
    operations: list[Operation] = []
    constants: dict[str, Array] = {}
    for item in group:
        assert isinstance(item.found, Lowered)
        operations += item.found.operations
        constants |= item.found.constants
    written = {operation.output for operation in operations}
    reads = dict.fromkeys(name for op in operations for name in op.reads if name not in constants)
    inputs = {name: graph.shape(name) for name in reads if name not in written}
    return simplify(Program(inputs, tuple(operations), outputs, constants))


def _onnx_part(group: list[_Placed], graph: OnnxGraph, written: set[str], outputs: tuple[str, ...]) -> OnnxPart:
    import onnx

    reads = dict.fromkeys(name for item in group for name in sorted(item.reads) if name not in written)
    constants: dict[str, Array] = {}
    initializers = []
    for name in filter(graph.is_constant, reads):
        tensor = onnx.TensorProto()
        tensor.CopyFrom(graph.initializer(name))
        if graph.type(name).dtype == "float32":
            constants[name] = graph.constant(name, "operand")
            del tensor.float_data[:]
            tensor.raw_data = b""
        initializers.append(tensor)
    inputs = tuple(name for name in reads if not graph.is_constant(name))
    for name in (*inputs, *outputs):
        if name not in graph.declared:
            raise _UndeclaredError(name)
    nodes = [item.node.proto for item in group]
    declared = graph.declared
    inner = onnx.helper.make_graph(
        nodes, "part", [declared[name] for name in inputs], [declared[name] for name in outputs], initializers
    )
    model = onnx.helper.make_model(inner, opset_imports=graph.proto.opset_import, ir_version=graph.proto.ir_version)
    left = tuple(LeftNode(item.node.proto.name, item.node.kind, str(item.found)) for item in group)
    return OnnxPart(model.SerializeToString(), inputs, outputs, left, constants)


def _ports(graph: OnnxGraph) -> Iterator[Port]:
    for name in graph.inputs:
        kind = graph.type(name)
        if kind.dtype is None or kind.shape is None:
            raise InputError(f"The input {name!r} cannot be given", "it is no tensor of a known shape")
        yield Port(name, kind.dtype, kind.shape)


def _constant_outputs(graph: OnnxGraph) -> Iterator[tuple[str, Any]]:
    for name in graph.outputs:
        if graph.is_constant(name):
            yield name, graph.constant(name, "output")
