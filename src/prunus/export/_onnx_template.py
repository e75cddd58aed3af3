"""A network's ONNX graph without its weights, so that networks of one architecture are exported once.

What a fresh export holds is changed so that it carries no more than the network and fits its smaller kin."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunus.errors import InputError, PrunusError
from prunus.export._quantized_onnx import quantize_inputs, weights_to_integers
from prunus.export.example import at_batch, batched, class_name
from prunus.quantization import Scheme
from prunus.system.process_wide import in_turn
from prunus.system.quiet import quiet

if TYPE_CHECKING:
    import onnx


LARGEST_BYTES = 2**31 - 2**20
"""A single protobuf file ends at 2 GB."""


@dataclass(frozen=True)
class OnnxTemplate:
    """A graph whose initialisers are empty. `complete`: every one of them is named like a tensor of the model.

    One that is not complete holds values of the very model that it was made from, and fits no other.
    """

    graph: bytes
    weight_names: tuple[str, ...]
    complete: bool

    @classmethod
    def from_model(cls, model: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> OnnxTemplate:
        """Export a model in evaluation mode, its batch size left open. Raises `InputError` where torch cannot."""
        proto = _export(model, at_batch(inputs, 2, seed=2), batched(inputs), names)
        strip(proto)
        open_flattening(proto)
        known = tensors_by_name(model)
        names = tuple(tensor.name for tensor in proto.graph.initializer if tensor.name in known)
        for tensor in proto.graph.initializer:
            if tensor.name in known:
                tensor.ClearField("raw_data")
        return cls(proto.SerializeToString(), names, len(names) == len(proto.graph.initializer))

    def fits(self, model: nn.Module) -> bool:
        """Whether the graph's weights all have their namesake of the same type in the model."""
        known = tensors_by_name(model)
        return self.complete and all(name in known for name in self.weight_names)

    def fill(self, model: nn.Module, scheme: Scheme | None = None) -> bytes:
        """The ONNX file with the model's weights, optimised: constants and batch normalisation are folded.

        scheme: of a network that was quantised, whose layers then hold integers.
        """
        import onnx
        from onnxscript import optimizer

        known = tensors_by_name(model)
        proto = onnx.load_from_string(self.graph)
        if sum(known[name].nbytes for name in self.weight_names) > LARGEST_BYTES:
            raise InputError(
                "The network does not fit one ONNX file", "its weights take more than 2 GB", "use safetensors"
            )
        for tensor in proto.graph.initializer:
            if tensor.name in self.weight_names:
                _put(tensor, known[tensor.name])
        if scheme:
            quantize_inputs(proto, scheme)
        with quiet():
            proto = optimizer.optimize(proto)
        strip(proto)
        if scheme:
            weights_to_integers(proto, scheme, {name: known[f"{name}.weight"].detach() for name in scheme})
        content: bytes = proto.SerializeToString()
        onnx.checker.check_model(content, full_check=True)
        return content

    def fill_own(self, model: nn.Module, scheme: Scheme | None = None) -> bytes:
        """The file of the model that was exported. Raises `InputError` where torch wrote a graph that is none."""
        import onnx

        try:
            return self.fill(model, scheme)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise InputError(
                f"{class_name(model)} cannot be exported to ONNX",
                f"torch wrote a graph that contradicts itself: {innermost(error)}",
                "export it as safetensors",
            ) from error


def tensors_by_name(model: nn.Module) -> Mapping[str, Tensor]:
    """Parameters and buffers under every name they go by."""
    return dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)])


def _put(place: onnx.TensorProto, tensor: Tensor) -> None:
    if tensor.is_complex():  # in the graph its real and imaginary parts are the last dimension
        tensor = torch.view_as_real(tensor.detach().resolve_conj())
    del place.dims[:]
    place.dims.extend(tensor.shape)
    place.raw_data = tensor.detach().contiguous().numpy().tobytes()


def _export(
    model: nn.Module, inputs: Sequence[Tensor], has_batch: Sequence[bool], names: Sequence[str]
) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    open_sizes = tuple({0: batch} if here else {} for here in has_batch)
    # By parameter of the forward: all that goes to `*args` belongs to one of them.
    shapes = tuple(inspect.signature(model.forward).bind(*open_sizes).arguments.values())
    try:
        with in_turn(), quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                tuple(inputs),
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(names),
                optimize=False,
                verbose=False,
            )
    except Exception as error:
        raise InputError(
            f"{class_name(model)} cannot be exported to ONNX", innermost(error), "export it as safetensors"
        ) from error
    if program is None:
        raise PrunusError(f"{class_name(model)} was not exported to ONNX", "torch returned nothing")
    return program.model_proto


def innermost(error: BaseException) -> str:
    """The first line of the error that began it all."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def strip(proto: onnx.ModelProto) -> None:
    """Take out what the exporter notes about its own work, such as the source line of each node.

    It can be half of a small network's file, names places on the exporting machine, and no runtime reads it. Shapes
    between the layers go too: they differ once channels are gone.
    """
    graph = proto.graph
    del graph.value_info[:]
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def open_flattening(proto: onnx.ModelProto) -> None:
    """Let every reshape to (batch, size) infer its size, which the export wrote down as a number."""
    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        shape = makers.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.op_type != "Concat" or len(shape.input) != 2:
            continue
        batch, size = (makers.get(name) for name in shape.input)
        if batch is None or batch.op_type == "Constant":  # it may be what is inferred, and there can be only one
            continue
        if size is not None and uses[shape.input[1]] == 1 and _is_one_number(size):
            size.attribute[0].ints[:] = [-1]


def _is_one_number(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and len(node.attribute[0].ints) == 1 and node.attribute[0].ints[0] > 0
