"""What an engine runs, as data: parts in an order, most of them programs, the rest subgraphs for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt

from prunus.sparse.program import Program, Shape


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
    """A subgraph that ONNX Runtime runs, as a model of its own."""

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[LeftNode, ...]


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
