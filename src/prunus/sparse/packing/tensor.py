"""One tensor in a packed file.

Of fp32: a bit for every element, set where it is not 0; then of these elements first all exponents, then the sign with
the mantissa in three planes of bytes. Exponents of weights are much alike and compress; mantissas hardly do. Of int8:
the same bits where there are zeros, and the elements that are none, since version 2. All other types are stored as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import zstandard
from pydantic import Field

from prunus.spec.part import Frozen
from prunus.system.memory import half_of_memory

LEVEL = 6
Count = Annotated[int, Field(ge=0, lt=2**40, strict=True)]


class DamagedError(Exception):
    """The bytes are not what was written; the text says what is wrong with them."""


class Stream(Frozen):
    """How a run of bytes is stored: its length there, and whether by zstd."""

    length: Count
    zstd: bool


def pack_stream(content: bytes) -> tuple[Stream, bytes]:
    """The stream, and the bytes to store."""
    packed = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(content)
    shorter = len(packed) < len(content)
    stored = packed if shorter else content
    return Stream(length=len(stored), zstd=shorter), stored


def unpack_stream(stream: Stream, stored: memoryview, size: int) -> bytes | memoryview:
    """The content, which must have exactly so many bytes. Raises `DamagedError`."""
    if not stream.zstd:
        if len(stored) != size:
            raise DamagedError(f"{len(stored)} bytes stand where {size} should")
        return stored
    try:
        if zstandard.frame_content_size(stored) != size:  # asked before anything of that size is allocated
            raise DamagedError("a compressed part has another size than it should")
        content: bytes = zstandard.ZstdDecompressor().decompress(stored, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, ValueError) as error:
        raise DamagedError(str(error)) from None
    if len(content) != size:
        raise DamagedError("a compressed part has another size than it should")
    return content


LARGEST_ELEMENTS = 2**31
DtypeName = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"
]
Sizes = Annotated[tuple[Count, ...], Field(max_length=32)]


class PackedTensor(Frozen):
    """How a tensor is stored. nonzero: elements that are not 0; all of them for types but fp32 and int8."""

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
    elif dtype == "int8" and not array.all():
        flat = array.reshape(-1)
        mask = flat != 0
        nonzero = int(mask.sum())
        contents = [np.packbits(mask, bitorder="little").tobytes(), flat[mask].tobytes()]
    else:
        nonzero, contents = array.size, [array.tobytes()]
    streams, stored = zip(*(pack_stream(content) for content in contents), strict=True)
    return PackedTensor(dtype=dtype, shape=array.shape, nonzero=nonzero, streams=streams), b"".join(stored)


def _fp32_contents(flat: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], nonzero: int) -> Iterator[bytes]:
    if nonzero < flat.size:
        yield np.packbits(mask, bitorder="little").tobytes()
        flat = flat[mask]
    bits = flat.view(np.uint32)
    # fp32 is sign, 8 bits of exponent, 23 of mantissa: as it is, the exponent lies across two bytes.
    turned = (bits << np.uint32(1)) | (bits >> np.uint32(31))  # the exponent is a byte of its own now
    planes = turned.astype("<u4").view(np.uint8).reshape(-1, 4)
    yield from (planes[:, place].tobytes() for place in (3, 2, 1, 0))


def check_tensor(entry: PackedTensor, stored: memoryview) -> None:
    """Raise `DamagedError` where `unpack_tensor` would; the tensor's dense size is not taken for it."""
    contents = _contents(entry, stored)
    if _is_masked(entry) and int(np.count_nonzero(_mask(entry, contents))) != entry.nonzero:
        raise DamagedError("a mask does not have as many elements as there are values")


def unpack_tensor(entry: PackedTensor, stored: memoryview) -> npt.NDArray[Any]:
    """The tensor, in C order; `check_tensor` has found nothing wrong with it."""
    contents, size = _contents(entry, stored), math.prod(entry.shape)
    if entry.dtype == "float32":
        values: npt.NDArray[Any] = _values(contents[-4:], entry.nonzero)
    else:
        values = np.frombuffer(contents[-1], np.dtype(entry.dtype)).copy()
    if not _is_masked(entry):
        return values.reshape(entry.shape)
    array = np.zeros(size, values.dtype)
    np.place(array, _mask(entry, contents), values)
    return array.reshape(entry.shape)


def _is_masked(entry: PackedTensor) -> bool:
    """Whether zeros are left out."""
    return entry.dtype in ("float32", "int8") and entry.nonzero < math.prod(entry.shape)


def _mask(entry: PackedTensor, contents: Sequence[bytes | memoryview]) -> npt.NDArray[np.bool_]:
    """Which elements are not 0."""
    bits = np.frombuffer(contents[0], np.uint8)
    return np.unpackbits(bits, bitorder="little", count=math.prod(entry.shape)).view(np.bool_)


def _sizes(entry: PackedTensor) -> tuple[int, ...]:
    """The bytes of every stream when it is unpacked. Raises `DamagedError` where that is more than may be."""
    size, dtype = math.prod(entry.shape), np.dtype(entry.dtype)
    if size >= LARGEST_ELEMENTS or entry.nonzero > size:
        raise DamagedError(f"a tensor would have {entry.nonzero} of {size} elements")
    if size * dtype.itemsize > half_of_memory():
        raise DamagedError(f"a tensor of {size * dtype.itemsize:,} bytes would take more than half of the memory")
    mask = ((size + 7) // 8,) * _is_masked(entry)
    if entry.dtype == "float32":
        return mask + (entry.nonzero,) * 4
    return (*mask, (entry.nonzero if mask else size) * dtype.itemsize)


def _contents(entry: PackedTensor, stored: memoryview) -> list[bytes | memoryview]:
    """All streams, unpacked. Raises `DamagedError`."""
    sizes = _sizes(entry)
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
