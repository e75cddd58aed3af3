"""What a process has in memory: its own peak, and which pages of mapped files, which its forks are to have, too.

A fork starts without the pages of libraries that its parent had touched, and touches them again as it computes. In a
fresh process they were there before the network was, so without this they would be counted as the network's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

_STATUS = Path("/proc/self/status")
_FOR_FORKS = tuple(Path("/proc/self") / name for name in ("status", "clear_refs", "maps", "pagemap", "mem"))


def can_be_reset() -> bool:
    """Whether the kernel lets a process forget its peak and know its pages, so that a fork can have its own peak."""
    return sys.platform == "linux" and all(path.exists() for path in _FOR_FORKS)


def reset_peak() -> None:
    """Let the peak start anew from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The largest resident set since the process's start or the last reset."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_PAGE = os.sysconf("SC_PAGE_SIZE")
_PRESENT = np.uint64(1 << 63)
_CHUNK_BYTES = 2**20

Range = tuple[int, int]
"""(first address, address after the last)"""


def resident_file_ranges() -> list[Range]:
    """The pages of mapped files that this process has touched, as ranges of addresses."""
    ranges: list[Range] = []
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for line in Path("/proc/self/maps").read_text().splitlines():
            addresses, permissions, _, _, inode, *_ = line.split()
            if inode == "0" or not permissions.startswith("r"):
                continue
            start, end = (int(address, 16) for address in addresses.split("-"))
            pagemap.seek(start // _PAGE * 8)
            pages = np.frombuffer(pagemap.read((end - start) // _PAGE * 8), np.uint64)
            ranges += [(start + a * _PAGE, start + b * _PAGE) for a, b in _runs((pages & _PRESENT) != 0)]
    return ranges


def touch(ranges: list[Range]) -> None:
    """Have these pages resident."""
    buffer = bytearray(_CHUNK_BYTES)
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for start, end in ranges:
            for address in range(start, end, _CHUNK_BYTES):
                memory.seek(address)
                memory.readinto(memoryview(buffer)[: end - address])


def _runs(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Where flags are set, as (first, after the last) places.

    >>> _runs(np.array([False, True, True, False, True]))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
