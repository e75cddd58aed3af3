"""Files in the IDX format of MNIST: a header of big-endian numbers, then bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy
import torch

from prunus.errors import InputError
from prunus.system.memory import half_of_memory
from prunus.system.reading import refuse_device

UNSIGNED_BYTES = b"\0\0\x08"
LARGEST = 1 << 31  # bytes; no data set of this format comes near
COPIES = {1: 10}  # by dimensions: labels of a byte become numbers of eight
USUAL_COPIES = 3


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """Read an IDX file of unsigned bytes, plain or gzipped: uint8 of the shape in its header.

    Raises `InputError` that names the file and the sizes expected and found.
    Format: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
    """
    header = 4 + 4 * dimensions
    most = min(LARGEST, half_of_memory() // COPIES.get(dimensions, USUAL_COPIES))
    try:
        refuse_device(path)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _shape(path, file.read(header), dimensions)
            expected = _product(shape)
            values = file.read(min(expected, most) + 1)  # as many as are said to be there, whatever follows
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"{error} ({path.stat().st_size} bytes on disk)") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read", str(error.strerror), "check its permissions") from None
    if len(values) != expected or expected > most:
        sizes = " x ".join(str(size) for size in shape)
        found = f"more than {header + min(expected, most)}" if len(values) > expected else header + len(values)
        raise _damaged(path, f"for {sizes} values it must have {header + expected} bytes, and it has {found}")
    return torch.from_numpy(numpy.frombuffer(values, numpy.uint8).reshape(shape).copy())


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    if len(header) < 4 + 4 * dimensions:
        raise _damaged(path, f"it ends after {len(header)} bytes, within its header of {4 + 4 * dimensions}")
    if header[:3] != UNSIGNED_BYTES or header[3] != dimensions:
        expected = (UNSIGNED_BYTES + bytes([dimensions])).hex(" ")
        raise _damaged(path, f"it begins with {header[:4].hex(' ')} where {expected} is expected")
    return tuple(int(size) for size in numpy.frombuffer(header, ">u4", dimensions, offset=4))


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"The file {path} is damaged or no IDX file", why, "delete it and fetch it again")


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
