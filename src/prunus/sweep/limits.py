"""A limit on the memory of one trial, and how running out of it is told from other errors."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

CAN_LIMIT_MEMORY = sys.platform == "linux"
OUT_OF_MEMORY = "OutOfMemory"


@contextmanager
def memory_limit(size_bytes: int) -> Iterator[None]:
    """Within, this process may take so many bytes more than it has; a request beyond fails instead of being killed.

    0 is no limit. Counted are private, writable pages, whether touched or not (`RLIMIT_DATA`, Linux).
    """
    if not size_bytes or not CAN_LIMIT_MEMORY:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    soft = _data_bytes() + size_bytes
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for that there is not; torch says so in words alone on the CPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def _data_bytes() -> int:
    """What counts against the limit already."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024
