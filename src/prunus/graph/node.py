"""A traced network as plain data: what is executed, in which order, on which tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeAlias

import torch
from torch.utils._pytree import TreeSpec

Shape: TypeAlias = tuple[int, ...]
NUMBERS = frozenset((int, float, bool, str, type(None)))  # and such: types of arguments in which there are no others


@dataclass(frozen=True)
class Ref:
    """The value of another node, by name."""

    name: str


@dataclass(frozen=True)
class PerSample:
    """A written size that is this many times the size of the batch."""

    times: int


@dataclass(frozen=True)
class TensorType:
    """What is known of a tensor without its values."""

    shape: Shape
    dtype: torch.dtype


@dataclass(frozen=True)
class Node:
    """One ATen operation.

    op: its full name, such as `aten.conv2d.default`, or `getitem`.
    args, kwargs: numbers, strings, `Ref`s and sequences of them.
    module: path of the module whose `forward` called it, and the class of that module.
    output: type of its tensor, or of each of its tensors; None for what is not a tensor.
    """

    name: str
    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: str
    module_class: str
    output: Any

    @cached_property
    def reads(self) -> tuple[Ref, ...]:
        """All references among its arguments."""
        return tuple(refs((self.args, self.kwargs)))

    @cached_property
    def kind(self) -> str:
        """The operation without overload and in-place mark: `aten.add_.Tensor` becomes `add`."""
        return kind_of(self.op)

    @property
    def in_place(self) -> bool:
        """Whether the operation writes into its first argument."""
        return is_in_place(self.op)

    @cached_property
    def described(self) -> str:
        """What a user is told about it."""
        place = f"layer '{self.module}'" if self.module else "the model's own forward"
        return f"operation {self.op.removeprefix('aten.').split('.')[0]} in {place} (node {self.name})"

    def __str__(self) -> str:
        return self.described


@cache
def kind_of(op: str) -> str:
    """The kind of the operation with that full name.

    >>> kind_of("aten.add_.Tensor")
    'add'
    """
    packet = op.split(".")[1] if "." in op else op
    return packet if packet.startswith("_") or packet.endswith("__") else packet.rstrip("_")


@cache
def is_in_place(op: str) -> bool:
    """Whether the operation with that full name writes into its first argument."""
    packet = op.split(".")[1] if "." in op else ""
    return packet.startswith("__i") if packet.endswith("__") else packet.endswith("_")


@dataclass(frozen=True)
class Tensors:
    """The tensors that a network holds, by the name of the node that reads them.

    parameters, buffers, constants: node name -> name in the model; a tensor that several names share has one of them.
    Constants are neither: plain attributes, and tensors written into a forward, which no module holds.
    values: name of a constant -> its value.
    """

    parameters: dict[str, str]
    buffers: dict[str, str]
    constants: dict[str, str]
    values: dict[str, torch.Tensor]

    @property
    def without_gradient(self) -> frozenset[str]:
        """Names of buffers and constants."""
        return frozenset((*self.buffers.values(), *self.constants.values()))

    def names(self) -> frozenset[str]:
        """All names."""
        return frozenset((*self.parameters.values(), *self.without_gradient))

    def name_of(self, node: str) -> str:
        """Name in the model."""
        return self.parameters.get(node) or self.buffers.get(node) or self.constants[node]


@dataclass(frozen=True)
class Graph:
    """A network as it was executed on example inputs.

    types: node name -> type, for inputs and tensors of the model.
    inputs, outputs: in the order of the flattened arguments and results, whose nesting the structures describe.
    live: modules that were in training mode, for they read their parameters in no other.
    batch_input: the input whose first dimension is the batch, if sizes are written relative to it.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    tensors: Tensors
    types: dict[str, TensorType]
    outputs: tuple[Any, ...]
    input_structure: TreeSpec
    output_structure: TreeSpec
    live: tuple[str, ...] = ()
    batch_input: str | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        """Nothing in it changes: copies of a network share it."""
        return self


def used_tensors(graph: Graph) -> set[str]:
    """Names of the model's tensors that some operation reads."""
    held = {*graph.tensors.parameters, *graph.tensors.buffers, *graph.tensors.constants}
    read = {ref.name for node in graph.nodes for ref in node.reads}
    return {graph.tensors.name_of(node) for node in held & read}


def refs(value: Any) -> list[Ref]:
    """All references in nested arguments.

    >>> [r.name for r in refs((Ref("a"), [1, Ref("b")]))]
    ['a', 'b']
    """
    kind = type(value)
    if kind is Ref:
        return [value]
    found: list[Ref] = []
    if isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            kind = type(item)
            if kind is Ref:
                found.append(item)
            elif kind not in NUMBERS:
                found += refs(item)
    return found


def replace_refs(value: Any, by: Callable[[Any], Any]) -> Any:
    """The same nested arguments with each reference, and each size per sample, replaced.

    >>> replace_refs((1, [Ref("a")]), lambda ref: ref.name)
    (1, ['a'])
    """
    kind = type(value)
    if kind is Ref or kind is PerSample:
        return by(value)
    if kind is dict:
        return {key: replace_refs(item, by) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return kind(
            [
                item if (what := type(item)) in NUMBERS else by(item) if what is Ref else replace_refs(item, by)
                for item in value
            ]
        )
    return value
