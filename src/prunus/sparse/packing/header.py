"""The beginning of a packed file: plans as JSON, whose constants are places in a list of tensors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from prunus.sparse.packing.tensor import DtypeName, PackedTensor, Sizes
from prunus.sparse.plan import LeftNode
from prunus.sparse.program import Operation
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
    """The fastest kernels on one kind of machine with so many threads: for every program, operation -> kernel."""

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
