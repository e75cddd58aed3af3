"""What an engine runs, as data: parts in an order, most of them programs, the rest subgraphs for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt

from prunus.errors import InputError
from prunus.sparse.program import Array, Program, Shape


@dataclass(frozen=True)
class Port:
    """An input of a network: its element type, as numpy names it, and its shape, batch included."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class LeftNode:
    """A node that is left to ONNX Runtime: its name in the file, its operator, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class OnnxPart:
    """A subgraph that ONNX Runtime runs.

    model: an ONNX model whose initialisers of fp32 are empty; constants: what belongs into them, by name.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[LeftNode, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)

    def complete_model(self) -> bytes:
        """The model with its constants. Raises `InputError` where it is none."""
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        try:
            proto = onnx.load_from_string(self.model)
        except DecodeError as error:
            raise InputError("A part of the network is not an ONNX model", str(error)) from None
        for tensor in proto.graph.initializer:
            if tensor.name in self.constants:
                tensor.raw_data = self.constants[tensor.name].tobytes()
        complete: bytes = proto.SerializeToString()
        return complete


Part: TypeAlias = Program | OnnxPart


@dataclass(frozen=True)
class Plan:
    """Parts, each run once everything that it reads is there.

    constants: those of the network's outputs that depend on no input.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    parts: tuple[Part, ...]
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def batch(self) -> int | None:
        """The first dimension of the first input; None for a network without one."""
        return next((port.shape[0] for port in self.inputs[:1] if port.shape), None)
