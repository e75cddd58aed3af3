"""The layers of an ONNX graph whose weights can be changed: convolutions, matrix products, tables, recurrent layers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.compress.file.network import Array, FileNetwork
from prunus.reconstruct.least_change import as_columns
from prunus.sparse.onnx_graph import outer_reads

if TYPE_CHECKING:
    import onnx

PRODUCTS = ("Conv", "Gemm", "MatMul")
RECURRENT = ("GRU", "LSTM", "RNN")
LEAST_HELD = 4096
"""Elements from which on a table's or a recurrent layer's weight is worth to be held in fewer bytes."""
POSITIONS = 16
"""A weight is looked at in so many times as many positions as it has inputs, evenly spread over runs."""
FEWEST_POSITIONS = 32


@dataclass(frozen=True)
class Window:
    """How a convolution moves over its input; sizes by spatial dimension, pads before and after each.

    same: -1 where an odd pad of automatic padding stands behind the image, 1 where before it, 0 with explicit pads.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    same: int = 0

    def pads_of(self, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Zeros before and after each dimension of an input of these sizes."""
        if not self.same:
            return self.pads
        return tuple(self._even(*each) for each in zip(sizes, self.kernel, self.strides, self.dilations, strict=True))

    def _even(self, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
        total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        less, more = total // 2, total - total // 2
        return (less, more) if self.same < 0 else (more, less)


@dataclass(frozen=True)
class WeightedLayer:
    """One node with a constant weight.

    name: of the node, or of one of its weights. kind: its operator. input, output, weight: tensors. shape: of the
    weight, outputs first.
    groups: into which inputs and outputs are divided. transposed: whether the file holds inputs first.
    """

    name: str
    kind: str
    input: str
    output: str
    weight: str
    shape: tuple[int, ...]
    groups: int = 1
    transposed: bool = False
    window: Window | None = None

    @property
    def elements(self) -> int:
        """Weights that it has."""
        return math.prod(self.shape)

    @property
    def is_product(self) -> bool:
        """Whether it is a sum of products of its inputs, and no table, nor a recurrent layer."""
        return self.kind in PRODUCTS

    @property
    def axis(self) -> int:
        """The dimension of the weight, as the file has it, along which each position has a scale of its own."""
        return 0 if self.is_product and not self.transposed else 1

    @property
    def depthwise(self) -> bool:
        """Whether each of its outputs reads one channel alone."""
        return self.groups > 1 and self.shape[1] == 1

    def read(self, array: Array) -> Tensor:
        """The weight as the file has it, with outputs first, in float64."""
        weight = torch.from_numpy(np.array(array, dtype=np.float64))
        return weight.t().contiguous() if self.transposed else weight

    def written(self, weight: Tensor) -> Array:
        """A weight with outputs first as the file has it, in float32."""
        array: Array = (weight.t() if self.transposed else weight).to(torch.float32).contiguous().numpy()
        return array

    def columns(self, inputs: Array, runs: int = 1) -> Tensor:
        """(groups, d, positions): what a row of the weight is multiplied with, for the inputs of one of many runs."""
        given = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
        if self.window is None:
            return self._thinned(as_columns(nn.Linear(1, 1, device="meta"), given), runs)
        pads = self.window.pads_of(tuple(given.shape[2:]))
        padded = F.pad(given, [zeros for each in reversed(pads) for zeros in each])
        return self._thinned(as_columns(self._convolution(), padded), runs)

    def _thinned(self, columns: Tensor, runs: int) -> Tensor:
        """Evenly spread positions, where there are more than it takes."""
        wanted = max(FEWEST_POSITIONS, POSITIONS * columns.shape[1] // runs)
        return columns[..., :: max(1, columns.shape[-1] // wanted)]

    def _convolution(self) -> nn.Conv1d | nn.Conv2d:
        assert self.window
        kind: Any = nn.Conv1d if len(self.window.kernel) == 1 else nn.Conv2d
        sizes = self.window.kernel, self.window.strides, 0, self.window.dilations
        made: nn.Conv1d | nn.Conv2d = kind(
            self.shape[1] * self.groups, self.shape[0], *sizes, self.groups, bias=False, device="meta"
        )
        return made


def weighted_layers(network: FileNetwork) -> tuple[WeightedLayer, ...]:
    """The layers in the order of the graph; a weight that several nodes read belongs to none."""
    reads = Counter(name for node in network.proto.graph.node for name in outer_reads(node))
    found = (layer for node in network.proto.graph.node for layer in _layers(node, network.constants))
    return tuple(layer for layer in found if reads[layer.weight] == 1)


def _layers(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> Iterator[WeightedLayer]:
    import onnx

    real = {name: one for name, one in constants.items() if one.data_type == onnx.TensorProto.FLOAT}
    if node.domain not in ("", "ai.onnx"):
        return
    if node.op_type in PRODUCTS and node.input[1] in real and node.input[0] not in constants:
        if layer := _product_or_convolution(node, real[node.input[1]]):
            yield layer
    elif node.op_type == "Gather" and _is_table(node, real):
        yield _held(node, node.name, real[node.input[0]])
    elif node.op_type in RECURRENT:
        for place, what in ((1, "W"), (2, "R")):
            if node.input[place] in real and math.prod(real[node.input[place]].dims) >= LEAST_HELD:
                yield _held(node, f"{node.name}.{what}", real[node.input[place]])


def _is_table(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether it looks up rows of a constant."""
    table = constants.get(node.input[0])
    along = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return table is not None and len(table.dims) == 2 and along == 0 and math.prod(table.dims) >= LEAST_HELD


def _held(node: onnx.NodeProto, name: str, weight: onnx.TensorProto) -> WeightedLayer:
    """A weight that can be held in fewer bytes, and is computed with as a real one."""
    return WeightedLayer(name, node.op_type, node.input[0], node.output[0], weight.name, tuple(weight.dims))


def _product_or_convolution(node: onnx.NodeProto, weight: onnx.TensorProto) -> WeightedLayer | None:
    import onnx

    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return _convolution(node, weight, attributes) if node.op_type == "Conv" else _product(node, weight, attributes)


def _product(node: onnx.NodeProto, weight: onnx.TensorProto, attributes: Mapping[str, Any]) -> WeightedLayer | None:
    if len(weight.dims) != 2 or attributes.get("transA"):
        return None
    transposed = not attributes.get("transB", 0)
    shape = tuple(reversed(weight.dims)) if transposed else tuple(weight.dims)
    return WeightedLayer(
        node.name, node.op_type, node.input[0], node.output[0], weight.name, shape, transposed=transposed
    )


def _convolution(node: onnx.NodeProto, weight: onnx.TensorProto, attributes: Mapping[str, Any]) -> WeightedLayer | None:
    kernel = tuple(weight.dims[2:])
    if len(kernel) not in (1, 2):
        return None
    pads = tuple(attributes.get("pads") or (0,) * 2 * len(kernel))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    window = Window(
        kernel,
        tuple(attributes.get("strides") or (1,) * len(kernel)),
        tuple(attributes.get("dilations") or (1,) * len(kernel)),
        tuple(zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)),
        {"SAME_UPPER": -1, "SAME_LOWER": 1}.get(automatic, 0),
    )
    groups = attributes.get("group", 1)
    return WeightedLayer(
        node.name, "Conv", node.input[0], node.output[0], weight.name, tuple(weight.dims), groups, window=window
    )


def share_covered(network: FileNetwork, layers: Iterable[WeightedLayer]) -> float:
    """The share of the network's real constants that these layers hold; what branches and loops hold is not counted."""
    import onnx

    sizes = [math.prod(one.dims) for one in network.constants.values() if one.data_type == onnx.TensorProto.FLOAT]
    covered: float = sum(layer.elements for layer in layers) / max(sum(sizes), 1)
    return covered


def large_enough(layers: tuple[WeightedLayer, ...], least: int = 1024) -> Iterator[WeightedLayer]:
    """The layers in which zeros can pay: not small, and with more than one input channel for each output."""
    return (one for one in layers if one.is_product and one.elements >= least and not one.depthwise)
