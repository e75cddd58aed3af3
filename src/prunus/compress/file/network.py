"""An ONNX file as it is worked on: simplified in a process of its own, with named nodes, and run on arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prunus.errors import InputError, PrunusError
from prunus.sparse.apart import simplify_apart
from prunus.sparse.onnx_file import read_onnx
from prunus.system.onnx_session import open_session

if TYPE_CHECKING:
    import onnx

Array: TypeAlias = npt.NDArray[Any]
Feed: TypeAlias = dict[str, Array]
"""The inputs of one run, by name."""
Size: TypeAlias = int | None


@dataclass(frozen=True)
class InputPort:
    """An input: its name, its element type as numpy names it, and its shape, None where a size is left open."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[Size, ...]


@dataclass(frozen=True, eq=False)
class FileNetwork:
    """A network of an ONNX file.

    path: of the file as it was given. proto: the same network, simplified; every node has a name.
    """

    path: Path
    proto: onnx.ModelProto

    @cached_property
    def ports(self) -> tuple[InputPort, ...]:
        """What it takes."""
        return tuple(_port(value) for value in self.proto.graph.input)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it gives."""
        return tuple(value.name for value in self.proto.graph.output)

    @cached_property
    def constants(self) -> Mapping[str, onnx.TensorProto]:
        """Its constant tensors by name."""
        return {tensor.name: tensor for tensor in self.proto.graph.initializer}

    def with_constants(self, arrays: Mapping[str, Array]) -> onnx.ModelProto:
        """A copy in which some constants have other values of the same shape."""
        from onnx import numpy_helper

        changed = copy_of(self.proto)
        for tensor in changed.graph.initializer:
            if tensor.name in arrays:
                tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
        return changed

    def giving(self, tensors: Iterable[str]) -> onnx.ModelProto:
        """A copy that gives these tensors and nothing else."""
        import onnx

        changed = copy_of(self.proto)
        del changed.graph.output[:]
        changed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors)
        return changed


def read_network_file(path: Path) -> FileNetwork:
    """The network of a file that may be a stranger's. Raises `InputError` where it cannot be read, converted or run."""
    given = read_onnx(path)
    proto = simplify_apart(given, str(path))
    for number, node in enumerate(proto.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return FileNetwork(path, proto)


def copy_of(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model again, to be changed."""
    import onnx

    copied = onnx.ModelProto()
    copied.CopyFrom(proto)
    return copied


def run_over(model: onnx.ModelProto | Path, feeds: Iterable[Feed]) -> Iterator[list[Array]]:
    """All outputs of a model for each of the inputs, in turn. Raises `PrunusError` where ONNX Runtime cannot run it."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        session = open_session(source)
    except Exception as error:  # the library's errors have no common class of their own
        raise PrunusError("ONNX Runtime cannot load the network", str(error)) from error
    for feed in feeds:
        try:
            outputs: list[Array] = session.run(None, feed)
        except Exception as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in feed.items())
            raise InputError(
                f"The network cannot be run on its inputs ({shapes})",
                str(error),
                "give inputs of a shape that it takes",
            ) from error
        yield outputs


def _port(value: onnx.ValueInfoProto) -> InputPort:
    import onnx

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise InputError(f"The input {value.name!r} cannot be given", "it is no tensor of a known number of dimensions")
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return InputPort(value.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)
