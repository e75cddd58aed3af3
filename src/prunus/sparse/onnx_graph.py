"""An ONNX graph as it is lowered: nodes, types and constants by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from prunus.sparse.program import Shape

if TYPE_CHECKING:
    import onnx


class NotCoveredError(Exception):
    """The native engine has no operation for this node; the text says why."""


@dataclass(frozen=True)
class OnnxTensorType:
    """A tensor's element type, as numpy names it, and its shape; None for what is not known."""

    dtype: str | None
    shape: Shape | None


@dataclass(frozen=True)
class OnnxNode:
    """One node. Absent optional inputs are ""."""

    proto: onnx.NodeProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`Conv`, or `com.microsoft:Gelu` outside of ONNX's own operators."""
        domain = self.proto.domain
        return f"{domain}:{self.proto.op_type}" if domain not in ("", "ai.onnx") else self.proto.op_type

    def input(self, place: int) -> str | None:
        """The name of an input, None where it is absent."""
        return self.inputs[place] or None if place < len(self.inputs) else None

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]


class OnnxGraph:
    """Nodes in an order in which they can run, of a model whose input shapes are fixed."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        import onnx

        graph = proto.graph
        self.proto = proto
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.nodes = tuple(_node(node) for node in graph.node)
        self.inputs = tuple(value.name for value in graph.input if value.name not in self._initializers)
        self.outputs = tuple(value.name for value in graph.output)
        self.opset = next((i.version for i in proto.opset_import if i.domain in ("", "ai.onnx")), 1)
        self.declared = {v.name: v for v in (*graph.output, *graph.value_info, *graph.input)}
        self._types = {name: _type(value) for name, value in self.declared.items()}
        self._to_array = onnx.numpy_helper.to_array

    def type(self, name: str) -> OnnxTensorType:
        """What is known of a tensor."""
        if name in self._initializers:
            tensor = self._initializers[name]
            return OnnxTensorType(_dtype(tensor.data_type), tuple(tensor.dims))
        return self._types.get(name, OnnxTensorType(None, None))

    def shape(self, name: str) -> Shape:
        """The shape. Raises `NotCoveredError` where it depends on the data."""
        shape = self.type(name).shape
        if shape is None:
            raise NotCoveredError(f"the shape of {name!r} is not known before it runs")
        return shape

    def is_constant(self, name: str | None) -> bool:
        """Whether the value is in the file."""
        return name in self._initializers

    def constant(self, name: str | None, what: str) -> npt.NDArray[Any]:
        """The value of a constant; `what` it is to the node, for the error."""
        if name is None or name not in self._initializers:
            raise NotCoveredError(f"its {what} is not a constant")
        return self._array(name)

    @cached_property
    def readers(self) -> Mapping[str, int]:
        """Name -> how many nodes read it; the graph's own outputs count as read once more."""
        counts: dict[str, int] = dict.fromkeys(self.outputs, 1)
        for node in self.nodes:
            for name in outer_reads(node.proto):
                counts[name] = counts.get(name, 0) + 1
        return counts

    @cached_property
    def writers(self) -> Mapping[str, OnnxNode]:
        """Name -> the node that writes it."""
        return {name: node for node in self.nodes for name in node.outputs}

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset((*self.declared, *self._initializers, *self.writers))

    def initializer(self, name: str) -> onnx.TensorProto:
        """A constant as it stands in the file."""
        tensor: onnx.TensorProto = self._initializers[name]
        return tensor

    def _array(self, name: str) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self._to_array(self._initializers[name])
        return array


def outer_reads(proto: onnx.NodeProto) -> Iterator[str]:
    """Names a node reads, those its subgraphs take from around it among them."""
    yield from (name for name in proto.input if name)
    for attribute in proto.attribute:
        for graph in (attribute.g, *attribute.graphs):
            own = {value.name for value in (*graph.input, *graph.initializer)}
            own |= {name for node in graph.node for name in node.output}
            inner = [name for node in graph.node for name in outer_reads(node)]
            yield from (name for name in (*inner, *(v.name for v in graph.output)) if name not in own)


def _node(proto: onnx.NodeProto) -> OnnxNode:
    import onnx

    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute}
    return OnnxNode(proto, tuple(proto.input), tuple(proto.output), attributes)


def _type(value: onnx.ValueInfoProto) -> OnnxTensorType:
    if not value.type.HasField("tensor_type"):
        return OnnxTensorType(None, None)
    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
    return OnnxTensorType(_dtype(tensor.elem_type), tuple(dim.dim_value for dim in dims) if known else None)


def _dtype(element_type: int) -> str | None:
    import onnx

    return onnx.helper.tensor_dtype_to_np_dtype(element_type).name if element_type else None
