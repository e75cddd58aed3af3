"""The beginning of a packed file: plans as JSON, whose constants are places in a list of tensors.

Tensors are unpacked one at a time, when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy.typing as npt
from pydantic import ConfigDict, Field

from prunus.sparse.packing.tensor import DtypeName, PackedTensor, Sizes, check_tensor, unpack_tensor
from prunus.sparse.plan import LeftNode
from prunus.sparse.program import Operation, Shape, StoredConstants
from prunus.spec.part import Frozen


class _Entry(Frozen):
    """Bounds of a clip may be infinite."""

    model_config = ConfigDict(allow_inf_nan=True)


Place = Annotated[int, Field(ge=0, strict=True)]


class ProgramEntry(_Entry):
    """A program; its constants are places of tensors."""

    kind: Literal["program"] = "program"
    inputs: dict[str, Sizes]
    operations: tuple[Annotated[Operation, Field(discriminator="kind")], ...]
    outputs: tuple[str, ...]
    constants: dict[str, Place]


class OnnxEntry(_Entry):
    """A subgraph for ONNX Runtime; its model, bytes, is a tensor too."""

    kind: Literal["onnx"] = "onnx"
    model: Place
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[LeftNode, ...]
    constants: dict[str, Place]


class PortEntry(_Entry):
    """An input of the network."""

    name: str
    dtype: DtypeName | Literal["object"]  # of strings
    shape: Sizes


class Choices(_Entry):
    """The kernels chosen on one kind of machine with so many threads: for every program, operation -> kernel.

    threads: 0 for a choice that is fixed, and holds with any number of them.
    """

    machine: str
    threads: int
    batch: int | None
    kernels: tuple[dict[str, str], ...]


class PlanEntry(_Entry):
    """One plan; its constants, too, are places of tensors."""

    inputs: tuple[PortEntry, ...]
    outputs: tuple[str, ...]
    parts: tuple[Annotated[ProgramEntry | OnnxEntry, Field(discriminator="kind")], ...]
    constants: dict[str, Place]

    @property
    def batch(self) -> int | None:
        """The first dimension of the first input; None for a network without one."""
        return next((port.shape[0] for port in self.inputs[:1] if port.shape), None)


class Header(_Entry):
    """Plans for different batch sizes share their tensors, which follow the header in the order of the list."""

    tensors: tuple[PackedTensor, ...]
    plans: tuple[PlanEntry, ...]
    choices: tuple[Choices, ...]


class PackedTensors:
    """The tensors of a file by their place. content: all of their bytes, one tensor after another."""

    def __init__(self, entries: tuple[PackedTensor, ...], content: memoryview) -> None:
        self.entries = entries
        self._content = content
        self._starts: list[int] = []
        self._models: dict[int, bytes] = {}
        start = 0
        for entry in entries:
            self._starts.append(start)
            start += entry.stored_bytes
        self.end = start

    def __getitem__(self, place: int) -> npt.NDArray[Any]:
        return unpack_tensor(self.entries[place], self._stored(place))

    def model(self, place: int) -> bytes:
        """A subgraph for ONNX Runtime, which is unpacked once. Raises `DamagedError`."""
        if place not in self._models:
            self._models[place] = self[place].tobytes()
        return self._models[place]

    def check(self) -> None:
        """Raise `DamagedError` unless every tensor can be unpacked."""
        for place, entry in enumerate(self.entries):
            if place not in self._models:
                check_tensor(entry, self._stored(place))

    def _stored(self, place: int) -> memoryview:
        start = self._starts[place]
        return self._content[start : start + self.entries[place].stored_bytes]


class PackedConstants(StoredConstants):
    """Name -> a new array each time, so that only what is used at the moment takes its dense size in memory."""

    def __init__(self, places: Mapping[str, int], tensors: PackedTensors) -> None:
        self._places = places
        self._tensors = tensors

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Name -> shape."""
        return {name: self._tensors.entries[place].shape for name, place in self._places.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._tensors[self._places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._places  # a mapping's own would unpack the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
