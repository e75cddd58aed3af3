"""The layers of a network that are timed one by one: each as a small network of its own, at any width."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.export import WrittenFile
from prunus.prune.evidence.samples import call
from prunus.trace.inventory import is_linear, is_transposed

Sizes: TypeAlias = tuple[int, ...]
"""How long a weight is in each of its dimensions."""

OPSET, IR_VERSION = 18, 9
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
TIMED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


@dataclass(frozen=True, eq=False)
class TimedLayer:
    """A convolution or a linear layer, and the shape of one of its inputs, without the batch.

    weight: the parameter's name. rows: how many inputs of the layer one input of the network comes to, as the windows
    of an image do. calls: how often the network runs it.
    """

    weight: str
    module: nn.Module
    input_shape: tuple[int, ...]
    rows: int
    calls: int

    @property
    def kind(self) -> tuple[Any, ...]:
        """Layers of which all of this is equal take equally long."""
        keys = ("stride", "padding", "dilation", "groups", "output_padding")
        settings = tuple((key, getattr(self.module, key)) for key in keys if hasattr(self.module, key))
        return type(self.module), self.sizes, self.module.bias is None, settings, self.input_shape, self.rows

    @property
    def sizes(self) -> Sizes:
        """The sizes of its weight."""
        return tuple(self.module.get_parameter("weight").shape)

    def at(self, sizes: Sizes) -> tuple[nn.Module, tuple[int, ...]]:
        """The layer with a weight of these sizes, and the shape of its input then."""
        if is_linear(self.module):
            wide, narrow = sizes[::-1] if is_transposed(self.module) else sizes
            linear = nn.Linear(narrow, wide, bias=self.module.bias is not None)
            return linear.eval(), (*self.input_shape[:-1], narrow)
        layer: Any = copy.deepcopy(self.module)
        weight = layer.weight.detach()
        for dim, size in enumerate(sizes):
            weight = weight.narrow(dim, 0, size)
        layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        layer.groups = self._groups_at(sizes)
        first, second = sizes[0], sizes[1] * layer.groups
        wide, narrow = (second, first) if isinstance(layer, TRANSPOSED) else (first, second)
        layer.out_channels, layer.in_channels = wide, narrow
        shape = (narrow, *self.input_shape[1:])
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[:wide].contiguous(), requires_grad=False)
        return layer.eval(), shape

    def inputs_at(self, sizes: Sizes) -> int:
        """How many channels or features go in when its weight has these sizes."""
        if is_linear(self.module):
            return sizes[0] if is_transposed(self.module) else sizes[1]
        inputs: int = sizes[0] if isinstance(self.module, TRANSPOSED) else sizes[1] * self._groups_at(sizes)
        return inputs

    def _groups_at(self, sizes: Sizes) -> int:
        """Where the channels within a group stay, whole groups go; else each group loses channels."""
        module: Any = self.module
        if module.groups == 1 or sizes[1] != self.sizes[1]:
            return int(module.groups)
        return max(1, round(int(module.groups) * sizes[0] / self.sizes[0]))


def timed_layers(model: nn.Module, inputs: Any) -> tuple[TimedLayer, ...]:
    """The layers of a network in evaluation mode that can be timed alone, in the order in which they run.

    Left out are those whose weight is shared or computed, whose class has a forward of its own, or that pad otherwise
    than with zeros.
    """
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    batch = next(leaf.shape[0] for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))
    shapes: dict[nn.Module, list[tuple[int, ...]]] = {}

    def seen(module: nn.Module, given: tuple[Any, ...], _output: Any) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor):
            shapes.setdefault(module, []).append(tuple(given[0].shape))

    hooks = [module.register_forward_hook(seen) for module in model.modules() if _can_be_timed(module)]
    try:
        with torch.no_grad():
            call(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(
        TimedLayer(known[id(module.weight)], module, found[0][1:], found[0][0] // batch, len(found))
        for module, found in shapes.items()
        if id(module.weight) in known and len(found[0]) > 1 and found[0][0] % batch == 0
    )


def _can_be_timed(module: nn.Module) -> bool:
    known = type(module) in TIMED or is_transposed(module)
    plain = known and module.weight.is_floating_point()  # type: ignore[operator]
    return plain and getattr(module, "padding_mode", "zeros") == "zeros" and not isinstance(_padding(module), str)


def _padding(module: nn.Module) -> Any:
    return getattr(module, "padding", ())


def write_layer(layer: nn.Module, input_shape: tuple[int, ...], path: Path) -> WrittenFile:
    """Write one layer as ONNX with an open batch dimension: what an exporter writes, in a hundredth of its time."""
    weight, bias = layer.get_parameter("weight").detach(), layer.bias
    held = {"weight": weight} | ({} if bias is None else {"bias": bias.detach()})  # type: ignore[operator]
    names = ["input", *held]
    if not isinstance(layer, nn.Linear):
        nodes = [helper.make_node(_convolution(layer), names, ["output"], **_attributes(layer))]
    elif len(input_shape) == 1:
        nodes = [helper.make_node("Gemm", names, ["output"], transB=1)]
    else:
        held["weight"] = weight.T.contiguous()
        product = "output" if bias is None else "product"
        nodes = [helper.make_node("MatMul", names[:2], [product])]
        nodes += [] if bias is None else [helper.make_node("Add", [product, "bias"], ["output"])]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *input_shape])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(tensor.float().numpy(), name) for name, tensor in held.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.SerializeToString())
    return WrittenFile.of("onnx", path, 0.0)


def _convolution(layer: nn.Module) -> str:
    return "ConvTranspose" if isinstance(layer, TRANSPOSED) else "Conv"


def _attributes(layer: Any) -> Mapping[str, Any]:
    found = {
        "kernel_shape": list(layer.kernel_size),
        "strides": list(layer.stride),
        "dilations": list(layer.dilation),
        "pads": [*layer.padding, *layer.padding],
        "group": layer.groups,
    }
    return found | ({"output_padding": list(layer.output_padding)} if isinstance(layer, TRANSPOSED) else {})
