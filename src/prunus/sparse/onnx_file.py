"""Reading an ONNX file: data only from its own folder, and a fixed size for every dimension of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunus.errors import InputError, nearest
from prunus.system.reading import read_whole

if TYPE_CHECKING:
    import onnx

LARGEST_BYTES = 2**31 - 2**20
"""A model in memory is one protobuf message, which ends at 2 GB."""


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model with its external data. Raises `InputError` where it is no ONNX file or reaches out of its folder."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        proto = onnx.load_model_from_string(read_whole(path, LARGEST_BYTES))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}", "", "check the path") from None
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path} is not an ONNX file", str(error), "it is damaged, or another format") from None
    if not proto.graph.node and not proto.graph.output:
        raise InputError(f"{path} is not an ONNX file", "it holds no graph", "it is damaged, or another format")
    external = list(_external(proto))
    for tensor in external:
        _check_place(tensor, path)
    try:
        onnx.external_data_helper.load_external_data_for_model(proto, str(path.parent))
    except Exception as error:  # the library's own errors for what is missing, too short, or a link
        raise InputError(f"The external data of {path} cannot be read", str(error), "export it again") from None
    return proto


def _external(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    import onnx

    for tensor in onnx.external_data_helper._get_all_tensors(proto):
        if onnx.external_data_helper.uses_external_data(tensor):
            yield tensor


def _check_place(tensor: onnx.TensorProto, path: Path) -> None:
    """The file a tensor lies in must be in the model's folder, links followed, and hold all its bytes."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.resolve().parent
    place = (folder / entries.get("location", "")).resolve()
    if folder not in place.parents:
        raise InputError(
            f"{path} takes the tensor {tensor.name!r} from {entries.get('location')!r}",
            "that lies outside of the model's own folder",
            "put the data beside the model and export it again",
        )
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
        fits = place.is_file() and offset >= 0 and length >= 0 and offset + length <= place.stat().st_size
    except ValueError:
        fits = False
    if not fits:
        raise InputError(
            f"{path} takes the tensor {tensor.name!r} from {entries.get('location')!r}",
            "that file is missing or too short",
            "put it beside the model, or export it again",
        )


def fix_sizes(
    proto: onnx.ModelProto, batch: int | None, shapes: Mapping[str, Sequence[int]] | None = None
) -> onnx.ModelProto:
    """The model with a size for every open dimension of its inputs; `proto` itself is changed.

    batch: for the open first dimensions. shapes: input -> shape, where others are open; dimensions of one name have one
    size. Raises `InputError` where a size is missing, or is not the one in the file.
    """
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = {value.name: value for value in proto.graph.input if value.name not in constants}
    sizes: dict[str, int] = {}
    for name, shape in (shapes or {}).items():
        if name not in inputs:
            raise InputError(f"The network has no input {name!r}", "", nearest(name, inputs))
        _set_shape(inputs[name], shape, sizes)
    for value in inputs.values():
        for first in _dims(value)[:1]:
            if _name(first) and batch is not None:  # it may stand at other places as well
                sizes.setdefault(_name(first), batch)
    for value in inputs.values():
        _close(value, batch, sizes)
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    return proto


def _dims(value: onnx.ValueInfoProto) -> Sequence[onnx.TensorShapeProto.Dimension]:
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        raise InputError(f"The input {value.name!r} cannot be given", "it is no tensor of a known number of dimensions")
    dims: Sequence[onnx.TensorShapeProto.Dimension] = value.type.tensor_type.shape.dim
    return dims


def _is_open(dim: onnx.TensorShapeProto.Dimension) -> bool:
    """Whether a size is left open; some files say -1."""
    return not dim.HasField("dim_value") or dim.dim_value < 0


def _name(dim: onnx.TensorShapeProto.Dimension) -> str:
    """What dimensions of one size share, "" for one that stands alone.

    Some exporters write a sign or a word for every size that they do not know: `?` of paddle2onnx, `None`, `-1`.
    """
    name: str = dim.dim_param
    known = any(character.isalpha() for character in name) and name.lower() not in ("none", "unknown")
    return name if known else ""


def _refuse_empty(size: int) -> None:
    if size < 1:
        raise InputError(
            f"The network cannot run with a size of {size}",
            "every batch, image and sequence has one element",
            "give 1 or more",
        )


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int], sizes: dict[str, int]) -> None:
    tensor = value.type.tensor_type
    if value.type.HasField("tensor_type") and not tensor.HasField("shape"):  # even their number is open
        tensor.shape.SetInParent()
        for _ in shape:
            tensor.shape.dim.add()
    dims = _dims(value)
    if len(dims) != len(shape):
        raise InputError(f"The input {value.name!r} has {len(dims)} dimensions", f"{tuple(shape)} was asked for")
    for place, (dim, size) in enumerate(zip(dims, shape, strict=True)):
        if _is_open(dim):
            _refuse_empty(size)
        expected = sizes.get(_name(dim), size) if _is_open(dim) else dim.dim_value
        if expected != size:
            what = f"dimension {place} of the input {value.name!r} is {expected}"
            raise InputError(what, f"{size} was asked for", "export the network with that dimension left open")
        if _name(dim):
            sizes[_name(dim)] = size
        dim.dim_value = size


def _close(value: onnx.ValueInfoProto, batch: int | None, sizes: Mapping[str, int]) -> None:
    for place, dim in enumerate(_dims(value)):
        if not _is_open(dim):
            continue
        size = sizes.get(_name(dim), batch if place == 0 else None)
        if size is None:
            word = "batch" if place == 0 else f'shapes={{"{value.name}": (...)}}'
            what = f"Dimension {place} of the input {value.name!r} has no size"
            raise InputError(what, "the engine is made for one", f"say which: {word}")
        _refuse_empty(size)
        dim.dim_value = size
