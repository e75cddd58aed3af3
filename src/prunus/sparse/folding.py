"""Computing ahead what depends on no input: shapes, constants, and all that follows from them.

Some constants ONNX Runtime would compute each time anew: weights that a file holds as integers, or normalises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from prunus.errors import InputError
from prunus.sparse.onnx_file import LARGEST_BYTES
from prunus.sparse.onnx_graph import outer_reads
from prunus.system.memory import loading
from prunus.system.onnx_session import open_session

if TYPE_CHECKING:
    import onnx


LARGEST_SHAPE_BYTES = 4096
EXTERNAL = "session.optimized_model_external_initializers_file_name"
UNWANTED = ("MatMulAddFusion", "TransposeOptimizer")
"""Rewrites that only help ONNX Runtime's own kernels."""


def fold(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model as ONNX Runtime simplifies it without changing what it computes, with the type of every tensor.

    name: what the user calls the model. Raises `InputError` where ONNX Runtime cannot run it either.
    """
    import onnx
    from onnxruntime import GraphOptimizationLevel  # type: ignore[attr-defined]

    with TemporaryDirectory(prefix="prunus-") as folder:
        target = Path(folder) / "folded.onnx"
        options = {
            "graph_optimization_level": GraphOptimizationLevel.ORT_ENABLE_BASIC,
            "optimized_model_filepath": str(target),
            "disabled_optimizers": UNWANTED,
        }
        try:
            source = _source(proto, Path(folder))
            open_session(source, settings={EXTERNAL: "folded.data"} if isinstance(source, str) else {}, **options)
        except Exception as error:  # the library's errors have no common class of their own
            raise InputError(f"ONNX Runtime cannot load {name}", str(error), "export it again") from error
        folded = onnx.load(str(target))
    _keep_inputs(folded, {value.name for value in proto.graph.input} - {one.name for one in proto.graph.initializer})
    folded.graph.initializer.extend(_dense(tensor) for tensor in folded.graph.sparse_initializer)
    del folded.graph.sparse_initializer[:]
    compute_constants(folded)
    return _with_types(folded)


def _source(proto: onnx.ModelProto, folder: Path) -> bytes | str:
    """The model as one message, or as a file whose weights lie beside it where they are too large for one."""
    if _fits_one_message(proto):
        whole: bytes = proto.SerializeToString()
        return whole
    path = folder / "whole.onnx"
    write_message(proto, path)
    return str(path)


def _fits_one_message(proto: onnx.ModelProto) -> bool:
    """Whether it is small enough for one protobuf message."""
    return sum(len(tensor.raw_data) for tensor in proto.graph.initializer) < LARGEST_BYTES // 2


def write_message(proto: onnx.ModelProto, path: Path) -> None:
    """Write a model: as one message, or with its weights beside it where they are too large for one."""
    import onnx

    if _fits_one_message(proto):
        path.write_bytes(proto.SerializeToString())
        return
    onnx.save_model(proto, str(path), save_as_external_data=True, location=f"{path.stem}.data")


def _with_types(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the type of every tensor; large constants are held back meanwhile, for their shape is enough."""
    import onnx

    constants = list(proto.graph.initializer)
    del proto.graph.initializer[:]
    for tensor in constants:
        if tensor.ByteSize() > LARGEST_SHAPE_BYTES:
            proto.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        else:
            proto.graph.initializer.append(tensor)
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    held_back = {tensor.name for tensor in constants}
    inputs = [value for value in inferred.graph.input if value.name not in held_back]
    del inferred.graph.input[:], inferred.graph.initializer[:]
    inferred.graph.input.extend(inputs)
    inferred.graph.initializer.extend(constants)
    _declare(inferred)
    return inferred


def _keep_inputs(proto: onnx.ModelProto, names: set[str]) -> None:
    """No inputs but these: up to version 3 of the format, constants were inputs as well."""
    inputs = [value for value in proto.graph.input if value.name in names]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    proto.ir_version = max(proto.ir_version, 4)


def _dense(tensor: onnx.SparseTensorProto) -> onnx.TensorProto:
    """A constant that a file lists without its zeros, by places in the whole tensor or along each axis."""
    from onnx import numpy_helper

    values, places = numpy_helper.to_array(tensor.values), numpy_helper.to_array(tensor.indices)
    array = np.zeros(tuple(tensor.dims), values.dtype)
    array[np.unravel_index(places, array.shape) if places.ndim == 1 else tuple(places.T)] = values
    return numpy_helper.from_array(array, tensor.values.name)


def _is_known(value: onnx.ValueInfoProto) -> bool:
    """Whether it is a tensor of which every size is known."""
    tensor = value.type.tensor_type
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _declare(proto: onnx.ModelProto) -> None:
    """Add the types that ONNX Runtime knows and ONNX does not: of its own operators, and what follows."""
    import onnx

    known = {value.name for value in (*proto.graph.value_info, *proto.graph.output) if _is_known(value)}
    names = {name for node in proto.graph.node for name in node.output if name and name not in known}
    if not names:
        return
    from onnxruntime import GraphOptimizationLevel  # type: ignore[attr-defined]

    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    given = {value.name for value in proto.graph.output}
    whole.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in sorted(names - given))
    with TemporaryDirectory(prefix="prunus-") as folder:
        session = open_session(
            _source(whole, Path(folder)), graph_optimization_level=GraphOptimizationLevel.ORT_DISABLE_ALL
        )
    for value in session.get_outputs():
        if value.name in names and value.type.startswith("tensor("):
            kind = onnx.TensorProto.DataType.Value(value.type[len("tensor(") : -1].upper())
            shape = value.shape or None  # a number alone and an unknown number of dimensions are told alike
            proto.graph.value_info.append(onnx.helper.make_tensor_value_info(value.name, kind, shape))


RANDOM = {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomUniform"}
RANDOM |= {f"{name}Like" for name in RANDOM}
QUANTISING = {"QuantizeLinear", "DynamicQuantizeLinear"}


def compute_constants(proto: onnx.ModelProto) -> None:
    """Replace the nodes of a folded model that read nothing but constants by what they give; `proto` is changed.

    Where activations are integers, too, ONNX Runtime has kernels for both, and the weights stay as they are.
    """
    places = _constant_nodes(proto.graph)
    if not places:
        return
    nodes = [proto.graph.node[place] for place in places]
    rest = [node for place, node in enumerate(proto.graph.node) if place not in places]
    read = {name for node in rest for name in outer_reads(node)} | {value.name for value in proto.graph.output}
    wanted = sorted({name for node in nodes for name in node.output} & read)
    try:
        arrays = _run(proto, nodes, wanted)
    except Exception:  # of the library, which has no common class: then it is computed where it stands
        return
    if not all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays):
        return
    from onnx import numpy_helper

    proto.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in zip(wanted, arrays, strict=True)
    )
    del proto.graph.node[:]
    proto.graph.node.extend(rest)


def _constant_nodes(graph: onnx.GraphProto) -> dict[int, None]:
    """Places in the graph, in order."""
    left = RANDOM | ({"DequantizeLinear"} if any(node.op_type in QUANTISING for node in graph.node) else set())
    known = {tensor.name for tensor in graph.initializer} | {""}
    places: dict[int, None] = {}
    for place, node in enumerate(graph.node):
        plain = node.op_type not in left and not any(a.HasField("g") or a.graphs for a in node.attribute)
        if plain and known.issuperset(node.input):
            places[place] = None
            known.update(node.output)
    return places


def _run(proto: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], wanted: Sequence[str]) -> list[np.ndarray]:
    import onnx

    read = {name for node in nodes for name in node.input}
    inner = onnx.helper.make_graph(
        nodes,
        "constants",
        [],
        [onnx.helper.make_empty_tensor_value_info(name) for name in wanted],
        [tensor for tensor in proto.graph.initializer if tensor.name in read],
    )
    model = onnx.helper.make_model(inner, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    session = open_session(model.SerializeToString())
    with loading():
        arrays: list[np.ndarray] = session.run(list(wanted), {})
    return arrays
