"""A quantised network as ONNX: QuantizeLinear and DequantizeLinear before its layers, integers as their weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from prunus.errors import InputError, PrunusError
from prunus.export._comparison import LIMIT, Array, Rerun, onnx_run, outputs
from prunus.export._integers_file import integers_of
from prunus.export.example import at_batch, class_name
from prunus.quantization import LayerScheme, Scheme, quantized_layers
from prunus.quantization.layers import QuantizedLayer

if TYPE_CHECKING:
    import onnx

LAYERS = ("Conv", "Gemm", "MatMul")
"""Operations that torch exports convolution and linear layers as; the second input is the weight."""
MOST = 0.99
LIMIT_OF_KERNELS = 0.05
"""How far an output may be off of the largest one where integer kernels run the file."""
BATCHES = (1, 3, 61)
BYTE = 8
MARK = "/input"


def quantize_inputs(proto: onnx.ModelProto, scheme: Scheme) -> None:
    """Put the rounding of inputs before each layer, in place, while weights still go by the network's names.

    Later passes may fold normalisations into weights; the layers are known by their inputs from then on.
    """
    graph = proto.graph
    nodes = list(graph.node)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    before: dict[int, list[onnx.NodeProto]] = {}
    for name, one in scheme.items():
        found = list(_uses(f"{name}.weight", users))
        if not found:
            raise InputError(
                f"The layer {name!r} cannot be written as integers",
                "torch exported it as another operation than a convolution or a product",
                f"leave it out of the quantisation (ignore = [{name!r}])",
            )
        for number, node in enumerate(found):
            before[id(node)] = list(_rounding(graph, f"{name}/{number}", one, node))
    del graph.node[:]
    for node in nodes:
        graph.node.extend([*before.get(id(node), ()), node])


def _uses(weight: str, users: Mapping[str, Sequence[onnx.NodeProto]]) -> Iterator[onnx.NodeProto]:
    """The layers that take a weight, as it is or transposed."""
    for node in users.get(weight, ()):
        if node.op_type == "Transpose":
            yield from (user for user in users.get(node.output[0], ()) if user.op_type in LAYERS)
        elif node.op_type in LAYERS:
            yield node


def _rounding(graph: onnx.GraphProto, place: str, one: LayerScheme, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The nodes that round an input, which is called after the layer from then on, as its node is."""
    from onnx import helper

    source, marked = node.input[0], f"{place}{MARK}"
    node.name = marked
    if one.input_scale is None:
        return
    node.input[0] = marked
    scale, zero = f"{place}/input_scale", f"{place}/input_zero_point"
    _add(graph, scale, one.input_scale.numpy())
    _add(graph, zero, np.array(one.input_zero_point, dtype=np.uint8))
    if one.activation_bits < BYTE:  # its integers end before those of a byte do
        low, high = f"{place}/input_low", f"{place}/input_high"
        _add(graph, low, _end(one, 0))
        _add(graph, high, _end(one, 2**one.activation_bits - 1))
        yield helper.make_node("Clip", [source, low, high], [f"{place}/clipped"], name=f"{place}/clip")
        source = f"{place}/clipped"
    yield helper.make_node("QuantizeLinear", [source, scale, zero], [f"{place}/integers"], name=f"{place}/quantize")
    yield helper.make_node("DequantizeLinear", [f"{place}/integers", scale, zero], [marked], name=f"{place}/dequantize")


def _end(one: LayerScheme, integer: int) -> Array:
    scale = np.float32(0 if one.input_scale is None else float(one.input_scale))
    return np.asarray(np.float32(integer - one.input_zero_point) * scale)


def _add(graph: onnx.GraphProto, name: str, array: Array) -> None:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))


def weights_to_integers(proto: onnx.ModelProto, scheme: Scheme, weights: Mapping[str, Tensor]) -> None:
    """Put integers and their scales in the place of the weights, in place, normalisations being folded into them.

    A folded weight is the rounded one with each output times a factor: the integers are the same, with the other sign
    where the factor is below zero, and the scale is times its size. The factor is what fits best, and is checked.

    Integers of fewer than 8 bits are written times a power of two, and their scales by it. Runtimes round biases to
    multiples of the product of both scales, which would be as coarse as the bits are few.

    weights: layer -> its rounded weight (outputs, ...).
    """
    from onnx import helper, numpy_helper

    graph = proto.graph
    initializers = {one.name: one for one in graph.initializer}
    nodes = list(graph.node)
    layers = {name: one for name, one in scheme.items() if one.weight_scale is not None}
    extra: list[onnx.NodeProto] = []
    found: set[str] = set()
    for number, node in enumerate(nodes):
        layer = _layer_of(node, layers)
        if layer is None:
            continue
        found.add(layer)
        held = initializers.get(node.input[1])
        if held is None:
            raise PrunusError(f"The weight of the layer {layer!r} is no constant of the ONNX graph", "", "")
        axis = _axis_of_outputs(node)
        folded = np.moveaxis(numpy_helper.to_array(held), axis, 0)
        integers, scale = _folded(layer, integers_of(layers[layer], weights[layer]), folded)
        shift = BYTE - layers[layer].weight_bits
        integers, scale = integers << shift, scale / np.float32(2**shift)
        name = f"{layer}/{number}"
        _add(graph, f"{name}/weight_integers", np.ascontiguousarray(np.moveaxis(integers, 0, axis)))
        _add(graph, f"{name}/weight_scale", scale)
        # All are 0, which a file need not say. ONNX Runtime 1.32 adds one number for all channels where it is not said,
        # and refuses its own graph then.
        _add(graph, f"{name}/weight_zero_point", np.zeros(len(scale), np.int8))
        parts = [f"{name}/weight_{part}" for part in ("integers", "scale", "zero_point")]
        extra.append(helper.make_node("DequantizeLinear", parts, [f"{name}/weight"], axis=axis, name=f"{name}/weight"))
        node.input[1] = f"{name}/weight"
    if missing := layers.keys() - found:
        raise PrunusError(
            f"The layer {min(missing)!r} cannot be written as integers",
            "it is not to be found in the optimised ONNX graph",
            f"leave it out of the quantisation (ignore = [{min(missing)!r}])",
        )
    del graph.node[:]
    graph.node.extend([*extra, *nodes])
    used = {name for node in graph.node for name in node.input} | {one.name for one in graph.output}
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _layer_of(node: onnx.NodeProto, layers: Mapping[str, LayerScheme]) -> str | None:
    """The layer that a node carries out: its weight or the node is called after it, whichever name was kept.

    Inputs are no help: layers with the same input and equal scales share what rounds it.
    """
    if node.op_type not in LAYERS:
        return None
    marked = node.name.removesuffix(MARK).rpartition("/")[0]
    return next((name for name in (node.input[1].removesuffix(".weight"), marked) if name in layers), None)


def _axis_of_outputs(node: onnx.NodeProto) -> int:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else 1


def _folded(layer: str, integers: Tensor, folded: Array) -> tuple[Array, Array]:
    """The integers of a folded weight (outputs, ...), and its scales (outputs,)."""
    whole = integers.numpy().reshape(len(folded), -1).astype(np.float64)
    rows = folded.reshape(len(folded), -1).astype(np.float64)
    factor = (rows * whole).sum(1) / np.maximum((whole * whole).sum(1), 1)
    if np.abs(whole * factor[:, None] - rows).max(initial=0) > 1e-5 * np.abs(rows).max(initial=0):
        raise PrunusError(
            f"The layer {layer!r} cannot be written as integers",
            "the exported graph has another weight than the layer times a factor for each output",
            "please report the network",
        )
    signed = np.where(factor < 0, -1, 1)
    scale = np.where(factor == 0, 1.0, np.abs(factor)).astype(np.float32)
    return (whole * signed[:, None]).astype(np.int8).reshape(folded.shape), scale


def checked_integers(content: bytes, model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Largest deviation of a file, as ONNX Runtime carries it out, from the quantised network.

    A sum that lies close to a tie may fall the other way where it is summed in another order, and what follows is a
    step off then, the further the more layers there are. So the network in double precision is what is compared with,
    and how far the network in single precision is from that tells how far a right file may be. Raises `PrunusError`
    where it is further, be it run as it is defined, operation by operation, or by integer kernels, which round biases.
    """
    double = copy.deepcopy(model).double()
    exact = [array for given in _batches(inputs) for array in outputs(double, _doubled(given))]
    largest = max((float(np.abs(array).max(initial=0)) for array in exact), default=0.0)
    span = max((float(np.ptp(array)) for array in exact if array.size), default=0.0)
    step = max(span / (2 ** _bits_of_last_layer(model, inputs) - 1), LIMIT * largest)
    rounding = _most(_differences(lambda given: outputs(model, given), exact, inputs))
    defined = _differences(_rerun(onnx_run(content, optimised=False)), exact, inputs)
    if not _most(defined) <= max(step, 4 * rounding):
        raise PrunusError(
            f"The ONNX file of {class_name(model)} does not compute what the quantised network does",
            f"its outputs differ by {_most(defined) / (largest or 1.0):.1%} of the largest one",
            "it was not written; please report the network",
        )
    kernels = _differences(_rerun(onnx_run(content)), exact, inputs)
    if not _most(kernels) <= max(LIMIT_OF_KERNELS * largest, 8 * rounding):
        raise PrunusError(
            f"ONNX Runtime does not compute {class_name(model)} with integers as the quantised network does",
            f"its outputs differ by {_most(kernels) / (largest or 1.0):.1%} of the largest one",
            "it was not written; give weights or activations more bits",
        )
    return float(kernels.max(initial=0)) / (largest or 1.0)


def _most(differences: Array) -> float:
    """What 99 of 100 differences are not above."""
    return float(np.quantile(differences, MOST)) if differences.size else 0.0


def _batches(inputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    return (at_batch(inputs, batch, seed=batch) for batch in BATCHES)


def _doubled(given: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(one.double() if one.is_floating_point() else one for one in given)


def _rerun(run: Rerun) -> Callable[[Sequence[Tensor]], Sequence[Array]]:
    return lambda given: run([tensor.numpy() for tensor in given])


def _differences(
    run: Callable[[Sequence[Tensor]], Sequence[Array]], exact: Sequence[Array], inputs: Sequence[Tensor]
) -> Array:
    """|found - exact| of every output."""
    found = [np.asarray(array) for given in _batches(inputs) for array in run(given)]
    return np.concatenate([np.abs(one - other).ravel() for one, other in zip(exact, found, strict=True)])


def _bits_of_last_layer(model: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Bits of the input of the last layer that runs, as far as it is quantised."""
    ran: list[QuantizedLayer] = []
    layers: list[Any] = list(quantized_layers(model).values())
    handles = [layer.register_forward_hook(lambda layer, _inputs, _output: ran.append(layer)) for layer in layers]
    outputs(model, at_batch(inputs, 1, seed=1))
    for handle in handles:
        handle.remove()
    return ran[-1].activation_bits
