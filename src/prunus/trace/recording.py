"""From a model and example inputs to a graph, by recording a run on meta tensors, which computes shapes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from prunus.graph.interface import Interface, interface_of
from prunus.graph.node import NUMBERS, Graph, Node, Ref, Tensors, TensorType, is_in_place, kind_of, needed
from prunus.ops import OPS
from prunus.trace.copying import evaluating, fresh_copy
from prunus.trace.inventory import paths_of
from prunus.trace.results import PlainResult
from prunus.trace.shapes import META, NeedsValuesError, Shapes, apart, following, run, shapes_of

CPU = torch.device("cpu")


def record(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    train: bool,
    prefix: str,
    device: torch.device | None = None,
) -> Graph:
    """Run a copy without values, in inference, where torch shows every operation before it takes it apart.

    prefix: of the names of its nodes. device: where all tensors are, if model and arguments have no values themselves.

    Raises `NeedsValuesError`, or whatever the model raises, where shapes or operations that have rules do not do.
    """
    shapes = shapes_of(model, (args, kwargs), fresh_copy)
    shapes = replace(shapes, device=device or shapes.device)
    clone = shapes.model.train() if train else evaluating(shapes.model)
    clone.register_forward_hook(returning := PlainResult())
    leaves = pytree.tree_leaves(shapes.inputs)
    # In inference mode torch shows composite operations whole (`linear`, not `t` and `addmm`), as rows are written.
    with apart(), torch.inference_mode(), following(clone) as running:
        recorder = Recorder(shapes, running, prefix)
        inputs = tuple(recorder.take(leaf) for leaf in leaves)
        with recorder:
            results, returned = pytree.tree_flatten(clone(*shapes.inputs[0], **shapes.inputs[1]))
    interface = interface_of(model, args, kwargs, inputs, returning.caches)
    return recorder.graph(inputs, tuple(recorder.argument(value) for value in results), interface, returned)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down operations on tensors that have no values.

    running: names and modules that are running, the innermost last.
    """

    def __init__(self, shapes: Shapes, running: list[tuple[str, nn.Module]], prefix: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = shapes.device
        self._running = running
        self._prefix = prefix
        self._nodes: list[Node] = []
        self._names: dict[int, str] = {}  # id of a tensor -> the node that made it
        self._parts: dict[int, tuple[str, int]] = {}  # id of a tensor -> node with several results, and which of them
        self._made: dict[int, Any] = {}  # id of a tensor -> operation and arguments
        self._written: dict[int, Tensor] = {}  # id of a tensor of numbers that stand in the forward -> these
        self._alive: list[Any] = []  # an id belongs to one tensor as long as that lives
        self._taken: set[str] = set()
        self._count: Counter[str] = Counter()  # of the names that were taken, how often with a number
        self._tensors = Tensors({}, {}, {}, {})
        self._types: dict[str, TensorType] = {}
        self._constants: dict[int, tuple[str, Tensor]] = {}  # id of a plain attribute -> its name and values
        paths = paths_of(shapes.model)
        self._hold("p", self._tensors.parameters, [(path, module._parameters) for path, module in paths])
        self._hold("b", self._tensors.buffers, [(path, module._buffers) for path, module in paths])
        for name, tensor in shapes.held.items():
            clone = shapes.stand_ins[id(tensor)]
            if id(clone) not in self._names:
                self._constants[id(clone)] = (name, tensor)

    def _hold(
        self, kind: str, names: dict[str, str], tables: Sequence[tuple[str, Mapping[str, Tensor | None]]]
    ) -> None:
        """Name the tensors in these tables of modules."""
        for path, table in tables:
            for last, tensor in table.items():
                if tensor is not None and id(tensor) not in self._names:
                    name = f"{path}.{last}" if path else last
                    names[self._named(f"{kind}_{name}", tensor)] = name

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and to keep this method from it takes torch time at every operation."""
        return False

    def take(self, value: Any) -> str:
        """The name of an input."""
        return self._named("input", value) if isinstance(value, Tensor) else self._free("input")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        about = operation_of(func)
        if about is None or (self._device != META and torch.is_autocast_enabled(self._device.type)):
            raise NeedsValuesError(str(func))
        # `torch.tensor(...)` in a forward: of all tensors here, these alone have values.
        if about.is_lifting and not args[0].is_meta:
            return self._written_out(args[0])
        # The forward decides by a number. It is worked out from what stands in the forward, but not where something was
        # written in place, for the operations are repeated out of their order.
        if about.name == "item" and not any(node.in_place and node.kind != "detach" for node in self._nodes):
            return self._value(args[0]).item()
        if not about.has_rule:
            return self._taken_apart(func, args, kwargs or {})
        written = self.argument(args), self.argument(kwargs or {})
        result = run(func, args, kwargs or {})
        node = self._node(about.name, about.op, *written, result)
        if about.writes_elsewhere:
            raise NeedsValuesError(f"{node} writes into another argument than its first")
        if isinstance(result, Tensor):
            self._know(result, node.name)
            self._made[id(result)] = func, args, kwargs or {}
        elif isinstance(result, (tuple, list)):
            # A node `getitem` is made for a part when it is first read; most parts never are.
            self._parts.update((id(part), (node.name, place)) for place, part in enumerate(result))
            self._alive.append(result)
        return result

    def _value(self, value: Any) -> Any:
        """An argument with its numbers, where nothing but sizes and what is written in the forward decides on them."""
        if isinstance(value, (tuple, list)):
            return type(value)([self._value(item) for item in value])
        if not isinstance(value, Tensor):
            return CPU if isinstance(value, torch.device) else value
        if id(value) in self._written:
            return self._written[id(value)]
        func, args, kwargs = self._made.get(id(value), (None, (), {}))
        # Parameters and inputs were made by no operation, and draws and fresh memory have no numbers to rely on.
        if func is None or torch.Tag.nondeterministic_seeded in func.tags or "empty" in func.overloadpacket.__name__:
            raise NeedsValuesError("a decision by values")
        return func(*self._value(args), **{key: self._value(item) for key, item in kwargs.items()})

    def _taken_apart(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation without a rule, as those that torch makes of it."""
        with self:
            result = func.decompose(*args, **kwargs)
        if result is NotImplemented:
            raise NeedsValuesError(f"operation {func} has no rule")
        return result

    def _node(self, name: str, op: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Node:
        path, module = self._running[-1]
        made = f"{type(module).__module__}.{type(module).__qualname__}"
        node = Node(self._free(name), op, args, kwargs, path, made, _type(result))
        self._nodes.append(node)
        return node

    def _written_out(self, tensor: Tensor) -> Tensor:
        """A tensor of numbers that stand in a forward."""
        name = f"lifted_tensor_{len(self._tensors.values)}"
        bare = tensor.to(META)
        self._tensors.constants[self._named(f"c_{name}", bare)] = name
        self._tensors.values[name] = self._written[id(bare)] = tensor.clone()
        return bare

    def argument(self, value: Any) -> Any:
        """What is written down for an argument: tensors by their nodes, the device by where the model is."""
        if isinstance(value, Tensor):
            return Ref(self._name_of(value))
        if isinstance(value, (tuple, list)):
            items = [item if type(item) in NUMBERS else self.argument(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, dict):
            return {key: self.argument(item) for key, item in value.items()}
        return self._device if isinstance(value, torch.device) and value == META else value

    def _name_of(self, tensor: Tensor) -> str:
        key = id(tensor)
        if key in self._constants:
            name, values = self._constants.pop(key)
            self._tensors.constants[self._named(f"c_{name}", tensor)] = name
            self._tensors.values[name] = values
        elif key in self._parts:
            parent, place = self._parts.pop(key)
            self._know(tensor, self._node("getitem", "getitem", (Ref(parent), place), {}, tensor).name)
        elif key not in self._names:
            raise NeedsValuesError("a tensor from elsewhere")
        return self._names[key]

    def _know(self, tensor: Tensor, name: str) -> None:
        self._names[id(tensor)] = name
        self._alive.append(tensor)

    def _named(self, name: str, tensor: Tensor) -> str:
        """A tensor that no operation made."""
        free = self._free(name.replace(".", "_"))
        self._know(tensor, free)
        self._types[free] = _type(tensor)
        return free

    def _free(self, name: str) -> str:
        """A name that no node has, for another one of that name."""
        free = self._prefix + name
        while free in self._taken:
            self._count[name] += 1
            free = f"{self._prefix}{name}_{self._count[name]}"
        self._taken.add(free)
        return free

    def graph(
        self, inputs: tuple[str, ...], outputs: tuple[Any, ...], interface: Interface, returned: pytree.TreeSpec
    ) -> Graph:
        """What was written down, but for what nobody needs."""
        nodes = needed(self._nodes, outputs, self._tensors)
        return Graph(nodes, inputs, self._tensors, self._types, outputs, interface, returned, device=self._device)


@dataclass(frozen=True)
class _Operation:
    """What is to be known of an operation.

    name: without namespace and overload. op: with both. is_lifting: it takes a tensor of numbers that stand in a
    forward. writes_elsewhere: into another argument than its first.
    """

    name: str
    op: str
    has_rule: bool
    is_lifting: bool
    writes_elsewhere: bool


@cache
def operation_of(func: Any) -> _Operation | None:
    """What recording has to know of an operation of ATen; None for what is none."""
    if not isinstance(func, OpOverload) or func.namespace != "aten":
        return None
    op, name, is_mutable = str(func), func.overloadpacket.__name__, func._schema.is_mutable
    is_lifting = func is torch.ops.aten.lift_fresh.default
    return _Operation(name, op, kind_of(op) in OPS or is_mutable, is_lifting, is_mutable != is_in_place(op))


def _type(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorType(tuple(value.shape), value.dtype)
    return tuple(_type(item) for item in value) if isinstance(value, (tuple, list)) else None
