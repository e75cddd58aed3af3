"""One tensor in a packed file.

Of fp32: a bit for every element, set where it is not 0; then of these elements first all exponents, then the sign with
the mantissa in three planes of bytes. Exponents of weights are much alike and compress; mantissas hardly do. All other
types are stored as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from prunus.sparse.packing.stream import Count, DamagedError, Stream, pack_stream, unpack_stream
from prunus.spec.part import Frozen

LARGEST_ELEMENTS = 2**31
DtypeName = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"
]
Sizes = Annotated[tuple[Count, ...], Field(max_length=32)]


class PackedTensor(Frozen):
    """How a tensor is stored. nonzero: elements that are not 0; all of them for types other than fp32."""

    dtype: DtypeName
    shape: Sizes
    nonzero: Count
    streams: Annotated[tuple[Stream, ...], Field(max_length=5)]

    @property
    def stored_bytes(self) -> int:
        """Bytes in the file."""
        return sum(stream.length for stream in self.streams)


def pack_tensor(array: npt.NDArray[Any]) -> tuple[PackedTensor, bytes]:
    """The tensor's entry, and the bytes to store. Zero loses its sign, everything else keeps every bit."""
    dtype: Any = array.dtype.name
    if dtype == "float32":
        flat = array.reshape(-1)
        mask = flat != 0
        nonzero = int(mask.sum())
        contents = list(_fp32_contents(flat, mask, nonzero))
    else:
        nonzero, contents = array.size, [array.tobytes()]
    streams, stored = zip(*(pack_stream(content) for content in contents), strict=True)
    return PackedTensor(dtype=dtype, shape=array.shape, nonzero=nonzero, streams=streams), b"".join(stored)


def _fp32_contents(flat: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], nonzero: int) -> Iterator[bytes]:
    if nonzero < flat.size:
        yield np.packbits(mask, bitorder="little").tobytes()
        flat = flat[mask]
    bits = flat.view(np.uint32)
    turned = (bits << np.uint32(1)) | (bits >> np.uint32(31))  # the exponent is a byte of its own now
    planes = turned.astype("<u4").view(np.uint8).reshape(-1, 4)
    yield from (planes[:, place].tobytes() for place in (3, 2, 1, 0))


def unpack_tensor(entry: PackedTensor, stored: memoryview) -> npt.NDArray[Any]:
    """The tensor, in C order. Raises `DamagedError`."""
    size = math.prod(entry.shape)
    if size > LARGEST_ELEMENTS or entry.nonzero > size:
        raise DamagedError(f"a tensor would have {entry.nonzero} of {size} elements")
    dtype = np.dtype(entry.dtype)
    if entry.dtype != "float32":
        (content,) = _contents(entry, stored, (size * dtype.itemsize,))
        return np.frombuffer(content, dtype).reshape(entry.shape).copy()
    masked = entry.nonzero < size
    sizes = ((size + 7) // 8,) * masked + (entry.nonzero,) * 4
    contents = _contents(entry, stored, sizes)
    values = _values(contents[-4:], entry.nonzero)
    if not masked:
        return values.reshape(entry.shape)
    bits = np.frombuffer(contents[0], np.uint8)
    mask = np.unpackbits(bits, bitorder="little", count=size).view(np.bool_)
    if int(np.count_nonzero(mask)) != entry.nonzero:
        raise DamagedError("a mask does not have as many elements as there are values")
    array = np.zeros(size, np.float32)
    array[mask] = values
    return array.reshape(entry.shape)


def _contents(entry: PackedTensor, stored: memoryview, sizes: Sequence[int]) -> list[bytes | memoryview]:
    if len(entry.streams) != len(sizes) or len(stored) != entry.stored_bytes:
        raise DamagedError("a tensor has another number of parts than it should")
    contents, start = [], 0
    for stream, size in zip(entry.streams, sizes, strict=True):
        contents.append(unpack_stream(stream, stored[start : start + stream.length], size))
        start += stream.length
    return contents


def _values(planes: Sequence[bytes | memoryview], count: int) -> npt.NDArray[np.float32]:
    turned = np.empty((count, 4), np.uint8)
    for place, plane in zip((3, 2, 1, 0), planes, strict=True):
        turned[:, place] = np.frombuffer(plane, np.uint8)
    bits = turned.view("<u4").reshape(-1).astype(np.uint32, copy=False)
    return ((bits >> np.uint32(1)) | (bits << np.uint32(31))).view(np.float32)
