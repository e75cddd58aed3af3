"""Calls that a rewritten graph was not traced for: the user's class is traced anew for them, and cut by the same plan.

A graph holds one path through a network. Where the class is at hand, every other one can be had, for a trace needs no
values: a copy on the meta device, which takes no memory, is called as the graph is, and what it did is rewritten as the
first graph was.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from prunus.channels.outputs import touched_outputs
from prunus.channels.plan import Plan
from prunus.channels.removed import kept_of_held, rewritten
from prunus.channels.tensors import in_place_of
from prunus.coupling import Coupling, couple
from prunus.errors import InputError, PrunusError
from prunus.graph import Graph
from prunus.graph.arguments import call_key
from prunus.graph.interface import CallError
from prunus.labels.labels import KeepMask
from prunus.system.quiet import quiet
from prunus.trace.copying import exact_copy, fresh_copy
from prunus.trace.inventory import changing, held_tensors
from prunus.trace.recording import CPU, record
from prunus.trace.shapes import META, NeedsValuesError, shapes_of
from prunus.trace.trace import Call

MOST = 64
"""Graphs that are kept, those called last."""


class Retracer:
    """Makes the graph for any call that the user's class takes; copies of a network share it."""

    def __init__(self, model: nn.Module, plan: Plan, narrowed: Iterable[str] = ()) -> None:
        """The class is cut by the plan, which makes these outputs narrower and no others.

        Raises `NeedsValuesError` where a model can't be had without values.
        """
        shapes = shapes_of(model, (), fresh_copy)
        holders = {
            id(t) for module in model.modules() for t in (*module._parameters.values(), *module._buffers.values())
        }
        self._clone = shapes.model
        self._plan, self._narrowed = plan, frozenset(narrowed)
        self._attributes = {name: t.detach().clone() for name, t in shapes.held.items() if id(t) not in holders}
        self._graphs: OrderedDict[Any, Graph] = OrderedDict()

    def then(self, plan: Plan, narrowed: Iterable[str]) -> Retracer:
        """A retracer of the same class, cut by another plan after the first one."""
        # The copy of the class and the attributes are shared; only plan and graphs are of the new one.
        clone = object.__new__(Retracer)
        vars(clone).update(vars(self))
        clone._narrowed = self._narrowed.union(narrowed)
        clone._plan, clone._graphs = plan.after(self._plan), OrderedDict()
        return clone

    def __deepcopy__(self, memo: dict[int, Any]) -> Retracer:
        return self

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """A pickled network goes without: the class may not be there where it is read."""
        return type(None), ()

    def graph_for(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        refused: CallError,
        train: bool = False,
    ) -> Graph:
        """The graph of a call.

        tensors: those of the network, by name, whose type and device count. refused: why it takes another graph.
        train: in training mode.
        Raises `CallError` where the class can't be traced with it, or the plan does not fit what it does then.
        """
        kinds = {name: (tensor.dtype, tensor.device) for name, tensor in tensors.items()}
        key = call_key(args, kwargs), frozenset(kinds.values()), train
        if key not in self._graphs:
            try:
                with _disable_current_modes(), changing(), quiet():
                    self._graphs[key] = self._traced((tuple(args), dict(kwargs)), tensors, train)
            except Exception as error:  # whatever the user's forward raises
                raise _not_traced(refused, error) from error
        self._graphs.move_to_end(key)
        while len(self._graphs) > MOST:
            self._graphs.popitem(last=False)
        return self._graphs[key]

    def _traced(self, call: Call, tensors: Mapping[str, Tensor], train: bool) -> Graph:
        graph = self._recorded(call, tensors, train)
        coupling = couple((graph,))
        names = held_tensors(self._clone).keys() & tensors.keys()
        kept = kept_of_held(coupling, self._plan, names)
        _check_outputs(coupling, kept, self._narrowed)
        constants = {
            name: _cut(self._attributes.get(name, value).clone(), name, coupling, kept)  # of inference mode no more
            for name, value in graph.tensors.values.items()
            if name not in names
        }
        if any(value.is_meta for value in constants.values()):
            raise NeedsValuesError("the call reads a tensor that was made in an earlier one")
        return replace(
            graph,
            nodes=rewritten(graph, coupling.values[0], coupling, kept),
            tensors=replace(graph.tensors, values=constants),
        )

    def _recorded(self, call: Call, tensors: Mapping[str, Tensor], train: bool) -> Graph:
        """What the class does with arguments like these: by shapes alone, or else, ten times slower, with zeros."""
        device = next((tensor.device for tensor in tensors.values()), META)
        clone = self._as_now(tensors)
        try:
            return record(clone, *_emptied(call, META), train, "", device)
        except Exception:  # whatever a model raises whose tensors have no values
            from prunus.trace.exporting import export  # brings sympy, a second, which most models do without

            zeros = {id(t): _zeros(self._attributes.get(name, t)) for name, t in held_tensors(clone).items()}
            return export(exact_copy(clone, zeros), *_emptied(call, CPU), train, "", (), False).on(device)

    def _as_now(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """The class with tensors of the types that the network's have now."""
        instead = {}
        for name, clone in held_tensors(self._clone).items():
            now = tensors[name].dtype if name in tensors else clone.dtype
            if now != clone.dtype:
                instead[id(clone)] = in_place_of(clone, torch.empty_like(clone, dtype=now))
        return exact_copy(self._clone, instead) if instead else self._clone


def retracer_for(model: nn.Module, plan: Plan, narrowed: Iterable[str] = ()) -> Retracer | None:
    """What traces a model anew, or None where that can't be without its values."""
    try:
        return Retracer(model, plan, narrowed)
    except (NeedsValuesError, PrunusError):
        return None


def _emptied(call: Call, device: torch.device) -> Call:
    """The arguments with zeros in place of all numbers."""

    def empty(value: Any) -> Any:
        return torch.zeros(value.shape, dtype=value.dtype, device=device) if isinstance(value, Tensor) else value

    emptied: Call = pytree.tree_map(empty, call)
    return emptied


def _zeros(tensor: Tensor) -> Tensor:
    """The tensor itself, or zeros where it has no values."""
    return in_place_of(tensor, torch.zeros_like(tensor, device=CPU)) if tensor.is_meta else tensor


def _check_outputs(coupling: Coupling, kept: KeepMask, narrowed: frozenset[str]) -> None:
    """Nobody gets fewer channels than the class gives: in another call, more may be returned, such as hidden states."""
    if more := [path for path in touched_outputs(coupling, kept) if path not in narrowed]:
        raise InputError(
            f"This call returns channels that were removed{f', in {more[0]!r}' if more[0] else ''}",
            "the traced one does not return them, so that nothing protected them",
            "prune with example inputs whose call returns them",
        )


def _cut(value: Tensor, name: str, coupling: Coupling, kept: KeepMask) -> Tensor:
    """What is left of a constant."""
    axes = coupling.tensors.get(name)
    for d, axis in enumerate(axes.axes if axes is not None else ()):
        if kept.count(axis) != axis.size:
            value = value.index_select(d, torch.from_numpy(kept.positions(axis.labels)).to(value.device))
    return value


def _not_traced(refused: CallError, error: Exception) -> CallError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    why = f"{refused.why}, and tracing it anew for this call failed: {lines[0]}"
    return CallError(refused.what, why, refused.do)
