"""A traced network as plain data: what is executed, in which order, on which tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch.utils._pytree import TreeSpec

if TYPE_CHECKING:
    from prunus.graph.interface import Interface

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

    @property
    def place(self) -> str:
        """Whose forward called it, for a user."""
        return f"layer '{self.module}'" if self.module else "the model's own forward"

    @cached_property
    def described(self) -> str:
        """What a user is told about it."""
        return f"operation {self.op.split('.')[1] if '.' in self.op else self.op} in {self.place} (node {self.name})"

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
    inputs: in the order of the flattened arguments. interface: how these are called, and which may have another size.
    outputs: in the order of the flattened results, whose nesting the structure describes.
    live: modules that were in training mode, for they read their parameters in no other.
    device: where its tensors were, which stands wherever a tensor is made.
    untraced: why the network can't be traced, where the graph holds but one run of it, and can't be executed.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    tensors: Tensors
    types: dict[str, TensorType]
    outputs: tuple[Any, ...]
    interface: Interface
    output_structure: TreeSpec
    live: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    untraced: str = ""

    @cached_property
    def last_uses(self) -> Mapping[str, list[str]]:
        """Node -> values that nobody reads after it."""
        last: dict[str, str] = {}
        for node in self.nodes:
            for ref in node.reads:
                last[ref.name] = node.name
        kept = {ref.name for ref in refs(self.outputs)}
        ends: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for name, node_name in last.items():
            if name not in kept:
                ends[node_name].append(name)
        return ends

    @cached_property
    def names_precision(self) -> bool:
        """Whether a floating-point type, or a number that half precision has not, is written into it."""
        return any(_is_precise(value) for node in self.nodes for value in (*node.args, *node.kwargs.values()))

    def on(self, device: torch.device) -> Graph:
        """The graph with its tensors on another device."""
        if device == self.device:
            return self
        nodes = tuple(
            replace(node, args=_moved(node.args, self.device, device), kwargs=_moved(node.kwargs, self.device, device))
            for node in self.nodes
        )
        return replace(self, nodes=nodes, device=device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        """Nothing in it changes: copies of a network share it."""
        return self


def _is_precise(value: Any) -> bool:
    if isinstance(value, torch.dtype):
        return value.is_floating_point or value.is_complex
    return isinstance(value, float) and abs(value) > torch.finfo(torch.float16).max


def _moved(value: Any, before: torch.device, after: torch.device) -> Any:
    """Nested arguments with one device in place of another."""
    if isinstance(value, dict):
        return {key: _moved(item, before, after) for key, item in value.items()}
    return after if isinstance(value, torch.device) and value == before else value


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


def needed(nodes: Sequence[Node], outputs: Sequence[Any], tensors: Tensors) -> tuple[Node, ...]:
    """The nodes that the outputs need, that change something, or that read a parameter or a buffer.

    A layer whose result is thrown away runs in the user's class all the same, and has to be cut along with what it
    reads. What else nobody reads, such as checks of values, is left out.
    """
    read, found = {ref.name for ref in refs(outputs)}, []
    held = tensors.parameters.keys() | tensors.buffers.keys()
    for node in reversed(nodes):
        if node.name in read or node.in_place or any(ref.name in held for ref in node.reads):
            read.update(ref.name for ref in node.reads)
            found.append(node)
    return tuple(reversed(found))


def replace_refs(value: Any, by: Callable[[Any], Any]) -> Any:
    """Nested arguments with each reference, and each size per sample, replaced.

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
