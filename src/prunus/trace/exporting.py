"""From a model and example inputs to a graph, by torch.export: slow, but it follows what shapes alone do not tell."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import GraphModule, Node as FxNode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils import _pytree as pytree

from prunus.graph.interface import Interface, interface_of
from prunus.graph.node import Graph, Node, Ref, Tensors, TensorType, needed
from prunus.ops import OPS
from prunus.system.process_wide import in_turn
from prunus.trace._parts import taken_apart
from prunus.trace.copying import fresh_copy
from prunus.trace.results import PlainResult

INLINED = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}  # operation -> place of the body in its arguments


def export(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    train: bool,
    prefix: str,
    live: Sequence[str],
    beside: bool,
) -> Graph:
    """The graph that torch.export makes of a copy, with the arguments of `trace`; raises whatever that raises.

    prefix: of the names of its nodes.
    """
    clone = fresh_copy(model).train(train)
    for name in live:
        clone.get_submodule(name).training = True
    clone.register_forward_hook(returning := PlainResult())
    clone.forward = _undecided(clone.forward)
    with in_turn(), _without_stack_traces():
        program = torch.export.export(clone, args, kwargs, strict=False)
    if live and not beside and not _computes_the_same(program, model, args, kwargs):
        raise ValueError(f"in training mode, {live[0]!r} computes something else")

    def interface(inputs: list[str]) -> Interface:
        return interface_of(model, args, kwargs, inputs, returning.caches)

    return _graph(program, clone, prefix, tuple(live), interface)


def _computes_the_same(
    program: ExportedProgram, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Whether what was traced computes what the model does in evaluation mode, on these inputs."""
    with torch.no_grad():
        expected = pytree.tree_leaves(fresh_copy(model).eval()(*args, **kwargs))
        found = pytree.tree_leaves(program.module()(*args, **kwargs))
    tensors = [pair for pair in zip(expected, found, strict=True) if isinstance(pair[0], torch.Tensor)]
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True) for a, b in tensors)


class UndecidedError(Exception):
    """The control flow of a forward depends on data that are not there."""


def _undecided(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A forward whose errors torch.export does not know, since it prints the graph so far for those that it knows."""

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return forward(*args, **kwargs)
        except RuntimeError as error:
            raise UndecidedError(*error.args) from error

    return run


@contextlib.contextmanager
def _without_stack_traces() -> Iterator[None]:
    """A node's module is known anyway, and to write its stack down takes a third of a tracing's time."""
    before = getattr(torch.fx.config, "do_not_emit_stack_traces", False)  # older versions have no such setting
    torch.fx.config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        torch.fx.config.do_not_emit_stack_traces = before


def _graph(
    program: ExportedProgram,
    model: nn.Module,
    prefix: str,
    live: tuple[str, ...],
    interface: Callable[[list[str]], Interface],
) -> Graph:
    tensors, types, inputs = Tensors({}, {}, {}, {}), {}, []
    canonical = _first_names(model)
    for node, spec in zip(_placeholders(program), program.graph_signature.input_specs, strict=True):
        name = prefix + node.name
        if isinstance(kind := _type(node.meta.get("val")), TensorType):
            types[name] = kind
        match spec.kind:
            case InputKind.PARAMETER:
                tensors.parameters[name] = canonical[str(spec.target)]
            case InputKind.BUFFER:
                tensors.buffers[name] = canonical[str(spec.target)]
            case InputKind.CONSTANT_TENSOR:
                tensors.constants[name] = str(spec.target)
                tensors.values[str(spec.target)] = program.constants[str(spec.target)]
            case _:
                inputs.append(name)
    renamed: dict[str, Any] = {}
    nodes = tuple(_nodes(program.graph_module, renamed, prefix))
    outputs = _outputs(program, renamed, prefix)
    return Graph(
        nodes=needed(nodes, outputs, tensors),  # without checks of values, which nothing reads
        inputs=tuple(inputs),
        tensors=tensors,
        types=types,
        outputs=outputs,
        interface=interface(inputs),
        output_structure=program.call_spec.out_spec,
        live=live,
        device=next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu")),
    )


def _outputs(program: ExportedProgram, renamed: dict[str, Any], prefix: str) -> tuple[Any, ...]:
    specs = program.graph_signature.output_specs
    output = next(node for node in program.graph.nodes if node.op == "output")
    values = zip(output.args[0], specs, strict=True)
    return tuple(_argument(value, renamed, prefix) for value, spec in values if spec.kind is OutputKind.USER_OUTPUT)


def _placeholders(program: ExportedProgram) -> Iterator[FxNode]:
    return (node for node in program.graph.nodes if node.op == "placeholder")


def _first_names(model: nn.Module) -> dict[str, str]:
    """Every name of a parameter or buffer -> the first name of the same tensor."""
    first: dict[int, str] = {}
    names: dict[str, str] = {}
    for name, tensor in [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]:
        names[name] = first.setdefault(id(tensor), name)
    return names


def _nodes(module: GraphModule, renamed: dict[str, Any], prefix: str) -> Iterator[Node]:
    """Nodes in order. A region with its own gradient mode is written out in place, for it changes no value; so is what
    an operation is made of that has no rule.
    """
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        operation = getattr(node.target, "__name__", str(node.target))
        if operation in INLINED:
            place = INLINED[operation]
            body = getattr(module, str(node.args[place].target))
            yield from _inlined(node, body, node.args[place + 1 :], renamed, prefix)
        elif node.target is operator.getitem and isinstance(parts := renamed.get(prefix + node.args[0].name), tuple):
            renamed[prefix + node.name] = parts[node.args[1]]
        elif (made := _node(node, renamed, prefix)).kind not in OPS and (parts := taken_apart(node)) is not None:
            yield from _inlined(node, parts, _nodes_among(node), renamed, prefix)
        else:
            yield made


def _nodes_among(node: FxNode) -> list[FxNode]:
    """The nodes among a node's arguments, as often as they stand there."""
    return [leaf for leaf in pytree.tree_leaves((node.args, node.kwargs)) if isinstance(leaf, FxNode)]


def _inlined(
    node: FxNode, body: GraphModule, arguments: Sequence[Any], renamed: dict[str, Any], prefix: str
) -> Iterator[Node]:
    """The nodes of a body, in place of the node that has it."""
    inner = f"{prefix}{node.name}."
    values = [_argument(value, renamed, prefix) for value in arguments]
    for placeholder, value in zip((n for n in body.graph.nodes if n.op == "placeholder"), values, strict=True):
        renamed[inner + placeholder.name] = value
    yield from _nodes(body, renamed, inner)
    output = next(n for n in body.graph.nodes if n.op == "output")
    result = _argument(output.args[0], renamed, inner)
    renamed[prefix + node.name] = tuple(result) if isinstance(result, (tuple, list)) else result


def _argument(value: Any, renamed: dict[str, Any], prefix: str) -> Any:
    if isinstance(value, FxNode):
        return renamed.get(prefix + value.name, Ref(prefix + value.name))
    if isinstance(value, (tuple, list)):
        items = [_argument(item, renamed, prefix) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: _argument(item, renamed, prefix) for key, item in value.items()}
    return value


def _node(node: FxNode, renamed: dict[str, Any], prefix: str) -> Node:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    target = "getitem" if node.target is operator.getitem else str(node.target)
    made = Node(
        name=prefix + node.name,
        op=target,
        args=tuple(_argument(value, renamed, prefix) for value in node.args),
        kwargs={key: _argument(value, renamed, prefix) for key, value in node.kwargs.items()},
        module=str(path).split("@")[0],
        module_class=kind if isinstance(kind, str) else kind.__name__,
        output=None,
    )
    try:
        return replace(made, output=_type(node.meta.get("val")))
    except (GuardOnDataDependentSymNode, TypeError):
        raise ValueError(f"the size of what {made} makes depends on values") from None


def _type(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return TensorType(tuple(int(size) for size in value.shape), value.dtype)
    if isinstance(value, (tuple, list)):
        return tuple(_type(item) for item in value)
    return None
