"""Files in the IDX format of MNIST: a header of big-endian numbers, then bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy
import torch

from prunus.errors import InputError

UNSIGNED_BYTES = b"\0\0\x08"
LARGEST = 1 << 31  # bytes; no data set of this format comes near


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """Read an IDX file of unsigned bytes, plain or gzipped: uint8 of the shape in its header.

    Raises `InputError` that names the file and the sizes expected and found.
    Format: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
    """
    content = _content(path)
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _damaged(path, f"it ends after {len(content)} bytes, within its header of {header}")
    if content[:3] != UNSIGNED_BYTES or content[3] != dimensions:
        expected = (UNSIGNED_BYTES + bytes([dimensions])).hex(" ")
        raise _damaged(path, f"it begins with {content[:4].hex(' ')} where {expected} is expected")
    shape = tuple(int(size) for size in numpy.frombuffer(content, ">u4", dimensions, offset=4))
    expected_bytes = header + _product(shape)
    if len(content) != expected_bytes:
        sizes = " x ".join(str(size) for size in shape)
        raise _damaged(path, f"for {sizes} values it must have {expected_bytes} bytes, and it has {len(content)}")
    return torch.from_numpy(numpy.frombuffer(content, numpy.uint8, offset=header).reshape(shape).copy())


def _content(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read(LARGEST)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"{error} ({path.stat().st_size} bytes on disk)") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read", str(error.strerror), "check its permissions") from None


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"The file {path} is damaged or no IDX file", why, "delete it and fetch it again")


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
