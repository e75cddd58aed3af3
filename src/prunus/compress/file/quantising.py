"""Layers on integers of eight bits: QuantizeLinear and DequantizeLinear around them, as runtimes know them.

Weights are symmetric for each output channel, with zero point 0, so that zeros stay zeros; activations have a scale and
a zero point for each tensor; biases are whole multiples of both scales.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prunus.compress.file.layers import WeightedLayer
from prunus.compress.file.network import Array, copy_of
from prunus.measure.machine import describe_machine

if TYPE_CHECKING:
    import onnx

Range = tuple[float, float]
SUBSUMED = ("Relu", "Clip")
"""What a runtime does by rounding to the range of its result, where it stands between a layer and its quantiser."""
LARGEST_BIAS = 2**30


@dataclass(frozen=True)
class Scale:
    """How a tensor is rounded: real = scale x (whole - zero)."""

    scale: float
    zero: int

    @classmethod
    def of(cls, found: Range) -> Scale:
        """The finest for whole numbers from 0 to 255 that has the range and 0, exactly.

        >>> Scale.of((-1.0, 3.0)).zero, Scale.of((0.5, 510.0))
        (64, Scale(scale=2.0, zero=0))
        """
        low, high = min(found[0], 0.0), max(found[1], 0.0)
        scale = (high - low) / 255 or 1.0
        return cls(scale, int(np.clip(np.rint(-low / scale), 0, 255)))


def outputs_of(layers: Iterable[WeightedLayer], proto: onnx.ModelProto) -> dict[str, str]:
    """Layer -> the tensor where its result is rounded: behind a Relu or Clip that alone reads it."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    given = {value.name for value in proto.graph.output}
    found = {}
    for layer in layers:
        behind = readers.get(layer.output, [])
        follows = len(behind) == 1 and behind[0].op_type in SUBSUMED and layer.output not in given
        found[layer.name] = behind[0].output[0] if follows else layer.output
    return found


def ranged_tensors(layers: Iterable[WeightedLayer], proto: onnx.ModelProto) -> tuple[str, ...]:
    """The tensors whose ranges quantising these layers takes."""
    layers = tuple(layer for layer in layers if layer.is_product)
    behind = outputs_of(layers, proto)
    return tuple(dict.fromkeys(name for layer in layers for name in (layer.input, behind[layer.name])))


def quantised(
    proto: onnx.ModelProto,
    layers: Collection[WeightedLayer],
    ranges: Mapping[str, Range],
    *,
    weights_only: Collection[str] = (),
    bits: int = 8,
) -> onnx.ModelProto:
    """A copy of the model in which these layers have weights of whole numbers, and compute on such.

    ranges: of `ranged_tensors`. weights_only: the names of layers that compute on real numbers. bits: of the weights of
    all others, which runtimes hold in eight; with 7, sums of products of bytes do not overflow 16 bits, in which
    processors without instructions for whole bytes add them.
    """
    changed = copy_of(proto)
    rewriting = _Rewriting(changed, ranges)
    nodes = {node.name: node for node in changed.graph.node}
    for layer in layers:
        if layer.kind == "Gather":
            rewriting.table(nodes[layer.name], layer)
        elif layer.is_product:
            rewriting.product(nodes[layer.name], layer, None if layer.name in weights_only else bits)
        else:
            rewriting.recurrent(nodes[layer.name.rpartition(".")[0]], layer)
    behind = outputs_of(layers, proto)
    given = {value.name for value in proto.graph.output}
    for layer in layers:
        # A product alone may give its sums as they are; a convolution is run on integers only where it rounds them.
        if layer.kind == "Conv" and layer.name not in weights_only and behind[layer.name] not in given:
            rewriting.round_for_all(behind[layer.name])
    return rewriting.done()


class _Rewriting:
    """A model on its way to integers: nodes and constants that are added, and which tensors stand for others."""

    def __init__(self, proto: onnx.ModelProto, ranges: Mapping[str, Range]) -> None:
        self.proto, self.ranges = proto, ranges
        self.constants = {tensor.name: tensor for tensor in proto.graph.initializer}
        self.before: dict[str, list[onnx.NodeProto]] = {}
        self.rounded: dict[str, str] = {}
        self.everywhere: set[str] = set()

    def product(self, node: onnx.NodeProto, layer: WeightedLayer, bits: int | None) -> None:
        """Have a node read a weight of so many bits, and rounded inputs; without bits, 8 and inputs as they are."""
        bias = self._bias(node) if bits else None
        step = Scale.of(self.ranges[layer.input]).scale if bits else 1.0
        least = 0.0 if bias is None else np.abs(bias) / (step * LARGEST_BIAS)
        whole, scales = self._whole(layer, bits or 8, least)
        node.input[1] = self._constant(layer.weight, whole, scales, layer.axis)
        if bits is None:
            return
        node.input[0] = self._round(layer.input)
        if bias is not None:
            both = scales * float(np.float32(step))
            name = f"{node.input[2]}_of_{node.name}"
            node.input[2] = self._constant(name, np.rint(bias / both).astype(np.int32), both, 0)

    def recurrent(self, node: onnx.NodeProto, layer: WeightedLayer) -> None:
        """Have a node read one of its weights as whole numbers made real."""
        place = list(node.input).index(layer.weight)
        node.input[place] = self._constant(layer.weight, *self._whole(layer, 8), layer.axis)

    def table(self, node: onnx.NodeProto, layer: WeightedLayer) -> None:
        """Have a node look up whole numbers, and make those real that it found."""
        import onnx

        whole, scales = self._whole(layer, 8)
        inputs = self._scaled(layer.weight, whole, scales)
        node.input[0] = inputs[0]
        found, real = f"{layer.output}_int", layer.output
        node.output[0] = found
        self.before.setdefault(found, []).append(
            onnx.helper.make_node("DequantizeLinear", [found, *inputs[1:]], [real], f"{real}_dequantize", axis=-1)
        )

    def _whole(self, layer: WeightedLayer, bits: int, least: Array | float = 0.0) -> tuple[Array, Array]:
        """The weight as whole numbers of so many bits, and the scale of each position along its axis, not below one."""
        from onnx import numpy_helper

        weight = numpy_helper.to_array(self.constants[layer.weight]).astype(np.float64)
        most = 2 ** (bits - 1) - 1
        rest = tuple(place for place in range(weight.ndim) if place != layer.axis)
        scales = np.maximum(np.abs(weight).max(axis=rest) / most, least)
        scales = np.where(scales > 0, scales, 1.0).astype(np.float32).astype(np.float64)
        return np.clip(np.rint(weight / np.expand_dims(scales, rest)), -most, most).astype(np.int8), scales

    def _bias(self, node: onnx.NodeProto) -> Array | None:
        """The bias of a convolution; what is added to a product stays as it is."""
        from onnx import numpy_helper

        if node.op_type != "Conv" or len(node.input) < 3 or node.input[2] not in self.constants:
            return None
        return numpy_helper.to_array(self.constants[node.input[2]]).astype(np.float64)

    def _constant(self, name: str, whole: Array, scales: Array, axis: int) -> str:
        """A constant of whole numbers in place of real ones; returns the name of what stands for it."""
        import onnx

        real, inputs = f"{name}_real", self._scaled(name, whole, scales)
        self.before.setdefault("", []).append(
            onnx.helper.make_node("DequantizeLinear", inputs, [real], f"{name}_dequantize", axis=axis)
        )
        return real

    def _scaled(self, name: str, whole: Array, scales: Array) -> list[str]:
        """The names of whole numbers, their scales and zero points, as constants."""
        self._add(f"{name}_int", whole)
        self._add(f"{name}_scale", scales.astype(np.float32))
        self._add(f"{name}_zero", np.zeros(scales.shape, whole.dtype))
        return [f"{name}_int", f"{name}_scale", f"{name}_zero"]

    def _round(self, tensor: str) -> str:
        """The name of the tensor as rounded to whole numbers and back."""
        import onnx

        if tensor in self.rounded:
            return self.rounded[tensor]
        step = Scale.of(self.ranges[tensor])
        self._add(f"{tensor}_scale", np.array(step.scale, np.float32))
        self._add(f"{tensor}_zero", np.array(step.zero, np.uint8))
        whole, real = f"{tensor}_int", f"{tensor}_real"
        settings = [f"{tensor}_scale", f"{tensor}_zero"]
        self.before.setdefault(tensor, []).extend(
            (
                onnx.helper.make_node("QuantizeLinear", [tensor, *settings], [whole], f"{tensor}_quantize"),
                onnx.helper.make_node("DequantizeLinear", [whole, *settings], [real], f"{tensor}_dequantize"),
            )
        )
        self.rounded[tensor] = real
        return real

    def round_for_all(self, tensor: str) -> None:
        """Have all that reads the tensor read it rounded."""
        self._round(tensor)
        self.everywhere.add(tensor)

    def _add(self, name: str, array: Array) -> None:
        from onnx import numpy_helper

        self.proto.graph.initializer.append(numpy_helper.from_array(array, name))

    def done(self) -> onnx.ModelProto:
        """The model, with nodes in an order in which they can run and without constants that nothing reads."""
        graph = self.proto.graph
        nodes = list(graph.node)
        for node in nodes:
            for place, name in enumerate(node.input):
                if name in self.everywhere:
                    node.input[place] = self.rounded[name]
        ordered = list(self.before.pop("", ()))
        for value in graph.input:
            ordered += self.before.pop(value.name, ())
        for node in nodes:
            ordered.append(node)
            for name in node.output:
                ordered += self.before.pop(name, ())
        del graph.node[:]
        graph.node.extend(ordered)
        _drop_unread(self.proto)
        return self.proto


def _drop_unread(proto: onnx.ModelProto) -> None:
    from prunus.sparse.onnx_graph import outer_reads

    read = Counter(name for node in proto.graph.node for name in outer_reads(node))
    read.update(value.name for value in proto.graph.output)
    kept = [tensor for tensor in proto.graph.initializer if read[tensor.name]]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)


def bits_here() -> int:
    """Bits of weights that this processor multiplies without overflow: 7 on x86 without VNNI, else 8."""
    machine = describe_machine()
    sets = machine["instruction_sets"]
    assert isinstance(sets, list)
    return 7 if machine["architecture"] == "x86_64" and "avx512-vnni" not in sets else 8
