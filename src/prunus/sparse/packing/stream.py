"""One run of bytes in a packed file: compressed where that makes it shorter."""

from __future__ import annotations

from typing import Annotated

import zstandard
from pydantic import Field

from prunus.spec.part import Frozen

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
