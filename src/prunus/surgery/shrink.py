"""Carrying out a plan and proving it: in the user's own class where that works, else as the rewritten graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from prunus.errors import PrunusError
from prunus.graph import Graph, Wiring, trace, wire, wire_model
from prunus.graph.batch import FixedBatchError, larger_batch, with_free_batch
from prunus.graph.copying import Instead, fresh_copy
from prunus.graph.inventory import held_tensors, unchanged
from prunus.graph.kept import Kept
from prunus.graph.node import TensorType
from prunus.graph.trace import as_call
from prunus.graph.training import only_in_training
from prunus.surgery.explain import Numbers, adapt_attributes, changed_numbers
from prunus.surgery.mask import masked_in
from prunus.surgery.network import GraphNetwork
from prunus.surgery.plan import Plan
from prunus.surgery.randomise import random_constants
from prunus.surgery.reference import tensors_of
from prunus.surgery.removed import kept_after
from prunus.surgery.rewrite import rewritten
from prunus.surgery.structure import Structure, remember, steps_to
from prunus.surgery.tensors import NamedTensors, Places, anew, cut_tensors, cut_values, without
from prunus.surgery.verify import Proof, copied, keep_what_is_freed

FormName: TypeAlias = Literal["class", "graph"]

EXACT = 1e-9
"""Deviation in double precision above which other forms are tried: heads that are mixed up may tell little."""

FEWER = 1e-3
"""Share of another form's deviation that speaks against that form, and not for a network in single precision."""

SINGLE = frozenset((torch.float32, torch.float16, torch.bfloat16))


@dataclass(frozen=True)
class Shrunk:
    """A smaller model and how it came about.

    deviation: largest difference to the masked model over the largest output.
    form: `class` if it is the user's class; `graph` if sizes written into its forward had to be rewritten.
    adapted: attributes of the user's modules that were changed beside those of known layers.
    fixed_batch: why the batch size is fixed, if it is.
    evaluation_only: operations that the model did in training alone, and that the graph does not do.
    """

    model: nn.Module
    deviation: float
    form: FormName
    adapted: tuple[str, ...] = ()
    fixed_batch: str | None = None
    evaluation_only: tuple[str, ...] = ()


def shrink(model: nn.Module, plan: Plan, example_inputs: Any, wiring: Wiring | None = None) -> Shrunk:
    """A smaller copy that is proven to compute what the masked model computes; the model passed in is untouched.

    wiring: of the same model, to save tracing it again.
    Raises `InputError` if the plan was made for another model, `DifferenceError` if no form of the cut is proven.
    """
    return Surgeon(model, example_inputs, wiring).shrink(model, plan)


class Surgeon:
    """What it takes to carry out any number of plans on a network, whatever its weights: it is traced only once.

    wiring: of the model, where it is at hand.
    """

    def __init__(self, model: nn.Module, example_inputs: Any, wiring: Wiring | None = None) -> None:
        self.wiring = wiring or wire_model(model, example_inputs)
        self._example_inputs = example_inputs
        self._traced_well = False
        self._training: tuple[str, ...] | None = None  # what is done in training alone; asked for when it is needed
        self._larger: Wiring | str | None = None  # at another batch size, or why not; asked for when it is needed

    def shrink(self, model: nn.Module, plan: Plan, kept: Kept | None = None) -> Shrunk:
        """A smaller copy of the model, which must be on the CPU.

        kept: what is left after the plan, to save working it out again.

        It is proven on the model's own weights, with random ones where all channels have the same: there nothing would
        show that the wrong ones were removed.
        Raises `InputError` if the plan was made for another model, `DifferenceError` if no form of the cut is proven.
        """
        with unchanged(model):
            return self._shrink(model, plan, kept or kept_after(self.wiring, plan))

    def _shrink(self, model: nn.Module, plan: Plan, kept: Kept) -> Shrunk:
        keep_what_is_freed()
        held = held_tensors(model)
        telling = random_constants(held)
        places = Places()
        proof = Proof(
            lambda double: masked_in(model, plan, self.wiring, kept, telling, double, places), self._example_inputs
        )
        best: Shrunk | None = None
        is_single = _is_single(self.wiring.graphs[0])
        for form in self._forms(model, plan, kept, places):
            try:
                small = form.make(model)
                left = held_tensors(small)
                deviation = proof.deviation(copied(small, cut_values(held, left, plan, telling, places), left))
                if form.name == "graph" and plan.normalised:  # then the masked network is the traced one as well
                    self._check_traced(model, telling)
            except Exception as error:  # a forward with the wrong sizes fails in its own ways
                if form.last and best is None:
                    raise (error if isinstance(error, PrunusError) else _does_not_run(model, error)) from error
                continue
            if best is None or deviation < FEWER * best.deviation:
                best = form.shrunk(model, plan, small, deviation)
            if best.deviation <= EXACT or is_single:
                break
        assert best is not None, "the last form is the graph"
        return best

    def _check_traced(self, model: nn.Module, values: Instead) -> None:
        """Raises `DifferenceError` if what was traced is not what the model computes, with some other values."""
        graph = self.wiring.graphs[0]
        if not self._traced_well:
            traced = GraphNetwork(graph, tensors_of(model, graph))
            held = held_tensors(model)
            whole = Proof(lambda double: fresh_copy(model, anew(held, values, double)), self._example_inputs)
            whole.deviation(copied(traced, values))
            self._traced_well = True

    def _forms(self, model: nn.Module, plan: Plan, kept: Kept, places: Places) -> Iterator[_Form]:
        """The user's class; the same with explained attributes; the graph."""
        graph = self.wiring.graphs[0]
        in_class = not _written(model, plan, graph)
        if in_class:
            yield _Form("class", lambda original: cut_tensors(original, plan, places=places))
        nodes = rewritten(graph, self.wiring.values[0], self.wiring, kept)
        for numbers in changed_numbers(graph.nodes, nodes) if in_class else ():
            if changed := adapt_attributes(cut_tensors(model, plan), numbers):
                yield _Form("class", functools.partial(_adapted, plan, numbers), tuple(changed), numbers)
        free, why = self._free_batch(replace(graph, nodes=nodes), model, plan)
        make = functools.partial(_network, plan, free)
        yield _Form("graph", make, (), {}, why, self._only_in_training(model), True)

    def _only_in_training(self, model: nn.Module) -> tuple[str, ...]:
        if self._training is None:
            self._training = only_in_training(self.wiring.graphs[0], model, self._example_inputs)
        return self._training

    def _free_batch(self, graph: Graph, model: nn.Module, plan: Plan) -> tuple[Graph, str | None]:
        """The graph for every batch size, or as it is with the reason."""
        if self._larger is None:
            self._larger = _at_larger_batch(model, self._example_inputs, graph.live)
        if isinstance(self._larger, str):
            return graph, self._larger
        large = self._larger.graphs[0]
        try:
            nodes = rewritten(large, self._larger.values[0], self._larger, kept_after(self._larger, plan))
            return with_free_batch(graph, replace(large, nodes=nodes)), None
        except (FixedBatchError, PrunusError) as error:
            return graph, str(error)


@dataclass(frozen=True)
class _Form:
    """One way to carry out the plan."""

    name: FormName
    make: Callable[[nn.Module], nn.Module]
    adapted: tuple[str, ...] = ()
    numbers: Numbers = field(default_factory=dict)
    fixed_batch: str | None = None
    evaluation_only: tuple[str, ...] = ()
    last: bool = False

    def shrunk(self, model: nn.Module, plan: Plan, small: nn.Module, deviation: float) -> Shrunk:
        """The network that it made, which remembers how."""
        structure = Structure(
            form=self.name,
            model_class=type(model).__qualname__,
            plan=plan,
            numbers=self.numbers,
            earlier=steps_to(model) if self.name == "class" else (),
        )
        remember(small, structure)
        return Shrunk(small, deviation, self.name, self.adapted, self.fixed_batch, self.evaluation_only)


def _is_single(graph: Graph) -> bool:
    """Whether the network asks for single or half precision itself, which its deviations are due to then."""
    types = graph.types | {node.name: node.output for node in graph.nodes}
    for node in graph.nodes:
        if not SINGLE.isdisjoint(each for each in (*node.args, *node.kwargs.values()) if isinstance(each, torch.dtype)):
            read = types.get(node.reads[0].name) if node.reads else None
            if isinstance(read, TensorType) and read.dtype.is_floating_point:
                return True
    return False


def _adapted(plan: Plan, numbers: Numbers, original: nn.Module) -> nn.Module:
    small = cut_tensors(original, plan)
    adapt_attributes(small, numbers)
    return small


def _network(plan: Plan, graph: Graph, original: nn.Module) -> GraphNetwork:
    small = cut_tensors(original, plan, elsewhere=graph.tensors.values)
    tensors = tensors_of(small, graph)
    cuts = plan.by_tensor()
    for name in _written(small, plan, graph):
        tensors[name] = without(tensors[name], cuts[name])
    return GraphNetwork(graph, tensors).train(original.training)


def _written(model: nn.Module, plan: Plan, graph: Graph) -> set[str]:
    """Constants that the plan cuts and no module holds, for they are written into a forward."""
    written = plan.by_tensor().keys() & graph.tensors.values.keys()
    return written - NamedTensors(model).all().keys() if written else set()


def _at_larger_batch(model: nn.Module, example_inputs: Any, live: tuple[str, ...]) -> Wiring | str:
    try:
        args, kwargs = larger_batch(as_call(example_inputs))
        return wire((trace(model, kwargs or args, live=live),))
    except (FixedBatchError, PrunusError) as error:
        return str(error)


def _does_not_run(model: nn.Module, error: Exception) -> PrunusError:
    return PrunusError(
        f"The shrunk {type(model).__name__} does not run",
        str(error).splitlines()[0] if str(error) else type(error).__name__,
        "protect the layers concerned, and report this: it is a fault of prunus",
    )
