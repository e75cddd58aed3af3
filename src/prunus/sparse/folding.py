"""Computing ahead what depends on no input: shapes, constants, and all that follows from them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunus.errors import InputError
from prunus.memory import loading
from prunus.sparse.onnx_file import LARGEST_BYTES

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
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions  # type: ignore[attr-defined]

    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    with TemporaryDirectory(prefix="prunus-") as folder:
        target = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(target)
        try:
            with loading():
                source = _source(proto, Path(folder))
                if isinstance(source, str):
                    options.add_session_config_entry(EXTERNAL, "folded.data")
                InferenceSession(source, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED)
        except Exception as error:  # the library's errors have no common class of their own
            raise InputError(f"ONNX Runtime cannot load {name}", str(error), "export it again") from error
        return _with_types(onnx.load(str(target)))


def _source(proto: onnx.ModelProto, folder: Path) -> bytes | str:
    """The model as one message, or as a file whose weights lie beside it where they are too large for one."""
    import onnx

    if sum(len(tensor.raw_data) for tensor in proto.graph.initializer) < LARGEST_BYTES // 2:
        whole: bytes = proto.SerializeToString()
        return whole
    path = str(folder / "whole.onnx")
    onnx.save_model(proto, path, save_as_external_data=True, location="whole.data")
    return path


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
    return inferred
