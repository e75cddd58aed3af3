"""Constants of a packed file, unpacked one at a time when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from prunus.sparse.packing.tensor import PackedTensor, unpack_tensor


class PackedTensors:
    """The tensors of a file by their place. content: all of their bytes, one tensor after another."""

    def __init__(self, entries: tuple[PackedTensor, ...], content: memoryview) -> None:
        self.entries = entries
        self._content = content
        self._starts: list[int] = []
        start = 0
        for entry in entries:
            self._starts.append(start)
            start += entry.stored_bytes
        self.end = start

    def __getitem__(self, place: int) -> npt.NDArray[Any]:
        entry, start = self.entries[place], self._starts[place]
        return unpack_tensor(entry, self._content[start : start + entry.stored_bytes])


class PackedConstants(Mapping[str, npt.NDArray[Any]]):
    """Name -> a new array each time, so that only what is used at the moment takes its dense size in memory."""

    def __init__(self, places: Mapping[str, int], tensors: PackedTensors) -> None:
        self._places = places
        self._tensors = tensors

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._tensors[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
