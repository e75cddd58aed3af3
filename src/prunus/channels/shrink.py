"""Carrying out a plan and proving it: in the user's own class where that works, else as the rewritten graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from prunus.channels.adapting import adapt
from prunus.channels.configuration import Configured, configure
from prunus.channels.explain import Chosen, Search, Written
from prunus.channels.mask import masked_in, tensors_of
from prunus.channels.network import GraphNetwork
from prunus.channels.outputs import touched_outputs, with_outputs_narrowed
from prunus.channels.plan import Plan
from prunus.channels.removed import kept_after, kept_of_held, rewritten
from prunus.channels.retracing import Retracer, retracer_for
from prunus.channels.structure import Structure, remember, steps_to
from prunus.channels.tensors import NamedTensors, Places, anew, cut_tensors, cut_values, without
from prunus.channels.verify import copied, keep_what_is_freed, random_constants
from prunus.coupling import Coupling, couple, couple_model
from prunus.coupling.outputs import Outputs
from prunus.errors import PrunusError, first_line
from prunus.graph import Graph
from prunus.graph.interface import FixedSize
from prunus.graph.node import TensorType
from prunus.labels.labels import KeepMask
from prunus.proof import Made, Proof, Variation, Way, random_like, values_to_compare, variations
from prunus.trace import trace
from prunus.trace.batch import FixedBatchError, batch_size, check_batch, larger_batch, single, with_free_batch
from prunus.trace.copying import Instead, fresh_copy
from prunus.trace.inventory import held_tensors, unchanged, unwrapped
from prunus.trace.trace import as_call
from prunus.trace.training import TrainingDifference, training_difference

FormName: TypeAlias = Literal["class", "graph"]

EXACT, SINGLE_EXACT = 1e-9, 1e-6
"""Deviation in double and single precision above which other forms are tried: mixed-up heads may tell little."""

FEWER, SINGLE_FEWER = 1e-3, 1e-2
"""Share of another form's deviation, in double and single precision, that speaks against that form."""

SINGLE = frozenset((torch.float32, torch.float16, torch.bfloat16))


@dataclass(frozen=True)
class Shrunk:
    """A smaller model and how it came about.

    deviation: largest difference to the masked model over the largest output.
    form: `class` if it is the user's class; `graph` if sizes written into its forward had to be rewritten.
    adapted: attributes of the user's modules that were changed beside those of known layers.
    fixed_batch: why the batch size is fixed, if it is.
    evaluation_only: operations that the model did in training alone, and that the graph does not do.
    fixed_sizes: of the arguments that a graph takes by itself. retraced: whether the class is traced for all others.
    lost: methods of the class that a graph has not. caches: what it returns None for, where the class gives a cache.
    ways: other ways of calling that the unpruned model takes, and what came of each.
    configured: fields of a model's configuration that were changed; None if no configuration says what it is.
    """

    model: nn.Module
    deviation: float
    form: FormName
    adapted: tuple[str, ...] = ()
    fixed_batch: str | None = None
    evaluation_only: tuple[str, ...] = ()
    fixed_sizes: tuple[FixedSize, ...] = ()
    retraced: bool = False
    lost: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    configured: tuple[str, ...] | None = ()


def shrink(
    model: nn.Module, plan: Plan, example_inputs: Any, coupling: Coupling | None = None, outputs: Outputs = None
) -> Shrunk:
    """Carry out a plan: a smaller copy that is proven to compute what the masked model computes.

    Args:
        model: the network the plan was made for; it is untouched.
        plan: what goes where, from `prune_channels`, `prunus.channels.plan` or `Plan.from_json`.
        example_inputs: what the network takes: a tensor, a tuple or a dictionary.
        coupling: of the same model, to save tracing it again.
        outputs: the model's outputs that keep their width, as in `prune_channels`.

    Returns:
        The smaller `model`, and how it came about: its form, its largest deviation, and in which ways of calling it
        agrees.

    Raises:
        InputError: the plan was made for another model.
        DifferenceError: no form of the cut is proven.

    Example:
        >>> from prunus.channels import plan
        >>> from prunus.coupling import channel_groups
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> inputs = torch.zeros(1, 4)
        >>> second_goes = plan(channel_groups(model, inputs), {"0": torch.tensor([True, False, True])})
        >>> shrink(model, second_goes, inputs).model
        Sequential(
          (0): Linear(in_features=4, out_features=2, bias=True)
          (1): ReLU()
          (2): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    return ChannelCutter(model, example_inputs, coupling, outputs).shrink(model, plan)


class ChannelCutter:
    """What it takes to carry out any number of plans on a network, whatever its weights: it is traced only once.

    coupling: of the model, where it is at hand. outputs: else, those that keep their width, as in `channel_groups`.
    """

    def __init__(
        self, model: nn.Module, example_inputs: Any, coupling: Coupling | None = None, outputs: Outputs = None
    ) -> None:
        self.coupling = coupling or couple_model(model, example_inputs, outputs)
        self._example_inputs = example_inputs
        call, eager = as_call(example_inputs), bool(self.coupling.graphs[0].untraced)
        call = values_to_compare(unwrapped(model), call) if eager else random_like(call)
        self._example = Variation(("the example inputs",), call, at_decisions=eager)
        self._wired: dict[Variation, Coupling] = {self._example: self.coupling}
        self._variations: Sequence[Variation] | None = None  # asked for when they are needed, as is what follows
        self._traced_well = False
        self._training: TrainingDifference | None = None
        self._larger: Coupling | str | None = None  # at another batch size, or why not

    def shrink(self, model: nn.Module, plan: Plan, kept: KeepMask | None = None, every_way: bool = True) -> Shrunk:
        """A smaller copy of the model, which must be on the CPU.

        kept: what is left after the plan, to save working it out again.
        every_way: also call it in the other ways that the model takes; not for networks that are only measured.

        It is proven on the model's own weights, with random ones where all channels have the same: there nothing would
        show that the wrong ones were removed.
        Raises `InputError` if the plan was made for another model, `DifferenceError` if no form of the cut is proven.
        """
        model = unwrapped(model)
        with unchanged(model):
            keep_what_is_freed()
            if every_way and self._variations is None:
                self._variations = variations(model, self._example.call, by_values=self._example.at_decisions)
            ways = self._variations or () if every_way else ()
            kept = kept or kept_after(self.coupling, plan)
            return _Cut(self, model, plan, kept, ways, every_way).carried_out()

    def coupling_of(self, model: nn.Module, variation: Variation) -> Coupling:
        """The dependencies of the model's channels when it is called in this way."""
        if variation not in self._wired:
            args, kwargs = variation.call
            self._wired[variation] = couple((trace(model, kwargs or args, train=variation.train),))
        return self._wired[variation]

    @property
    def example(self) -> Variation:
        """The example inputs, with random values."""
        return self._example

    def check_traced(self, model: nn.Module, values: Instead) -> None:
        """Raises `DifferenceError` if what was traced is not what the model computes, with some other values."""
        graph = self.coupling.graphs[0]
        if not self._traced_well:
            traced = GraphNetwork(graph, tensors_of(model, graph))
            held = held_tensors(model)
            whole = Proof(lambda _, double: fresh_copy(model, anew(held, values, double)), self._example)
            whole.deviation(copied(traced, values))
            self._traced_well = True

    def retracer(self, model: nn.Module, plan: Plan, narrowed: Sequence[str]) -> Retracer | None:
        """What traces the class for other calls; not where it was traced with modules in training mode."""
        if isinstance(model, GraphNetwork):
            return model.retracer.then(plan, narrowed) if model.retracer is not None else None
        return None if self.coupling.graphs[0].live else retracer_for(model, plan, narrowed)

    def in_training(self, model: nn.Module) -> TrainingDifference:
        """What the model does otherwise in training."""
        if self._training is None:
            self._training = training_difference(self.coupling.graphs[0], model, self._example_inputs)
        return self._training

    def free_batch(self, graph: Graph, model: nn.Module, plan: Plan) -> tuple[Graph, str | None]:
        """The graph for every batch size, or as it is with the reason."""
        if self._larger is None:
            self._larger = _at_larger_batch(model, self._example_inputs, self.coupling.graphs[0])
        if isinstance(self._larger, str):
            return graph, self._larger
        large = self._larger.graphs[0]
        try:
            kept = kept_of_held(self._larger, plan, held_tensors(model))
            nodes = rewritten(large, self._larger.values[0], self._larger, kept)
            return with_free_batch(graph, replace(large, nodes=nodes)), None
        except (FixedBatchError, PrunusError) as error:
            return graph, str(error)


@dataclass(frozen=True)
class _Form:
    """One way to carry out the plan."""

    name: FormName
    make: Callable[[nn.Module], nn.Module]
    attributes: Chosen = ()
    fixed_batch: str | None = None
    evaluation_only: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Proven:
    """What a proof of one form found; that which is worse is less."""

    deviation: float
    ways: tuple[Way, ...]
    single: bool

    @property
    def is_exact(self) -> bool:
        """Whether it computes what the masked network does, but for rounding."""
        return self.deviation <= (SINGLE_EXACT if self.single else EXACT)

    @property
    def is_good(self) -> bool:
        """Whether nothing can be better."""
        return self.is_exact and not self.refused

    @property
    def refused(self) -> int:
        """In how many ways it can't be called in which the unpruned network can."""
        return sum(way.outcome == "refused" for way in self.ways)

    def __lt__(self, other: _Proven) -> bool:
        # Deviations of rounding differ from form to form and say nothing; only a form that is far off loses by them.
        # Then the form that can be called in more ways is the better one.
        fewer = SINGLE_FEWER if self.single else FEWER
        if not self.is_exact and other.deviation < fewer * self.deviation:
            return True
        if not other.is_exact and self.deviation < fewer * other.deviation:
            return False
        return other.refused < self.refused


class _Cut:
    """One plan for one network: its forms are tried until one of them computes what the masked network does."""

    def __init__(
        self,
        cutter: ChannelCutter,
        model: nn.Module,
        plan: Plan,
        kept: KeepMask,
        others: Sequence[Variation],
        every_way: bool,
    ) -> None:
        self._cutter, self._model, self._plan, self._kept, self._others = cutter, model, plan, kept, others
        self._every_way = every_way
        self._graph = cutter.coupling.graphs[0]
        self._single = _is_single(self._graph)
        self._narrowed = tuple(touched_outputs(cutter.coupling, kept))
        self._held = held_tensors(model)
        self._telling, self._places = random_constants(self._held), Places()
        self._networks: dict[bool, nn.Module] = {}  # the masked network, in double precision or not
        self._proof = Proof(self._masked, cutter.example)

    def carried_out(self) -> Shrunk:
        """The best form: the user's class, that with fewest attributes adapted, or the rewritten graph."""
        best: tuple[_Form, _Proven] | None = None
        # Forms are tried from the one that changes least to the one that always runs. The class is no choice where a
        # constant that stands in its forward is cut: no attribute could change that.
        if not _written(self._model, self._plan, self._graph):
            best = self._tried(self._in_class())
            if best is None or not best[1].is_good:
                chosen = self._chosen(best is not None)
                adapted = self._tried(self._in_class(chosen)) if chosen else None
                best = adapted if best is None or (adapted is not None and best[1] < adapted[1]) else best
        if self._graph.untraced:  # a graph of one run alone
            return self._shrunk(*(best or self._in_class_or_error()))
        if best is None or not best[1].is_good:
            form = self._as_graph()
            try:
                found = self._proven(form)
                best = (form, found) if best is None or best[1] < found else best
            except Exception as error:  # a forward with the wrong sizes fails in its own ways
                if best is None:
                    raise (error if isinstance(error, PrunusError) else _does_not_run(self._model, error)) from error
        return self._shrunk(*best)

    def _in_class_or_error(self) -> tuple[_Form, _Proven]:
        """The user's class as it is, which some error speaks against."""
        form = self._in_class()
        try:
            return form, self._proven(form)
        except PrunusError:
            raise
        except Exception as error:
            raise PrunusError(
                f"The shrunk {type(self._model).__name__} does not run",
                f"{first_line(error)}, and it can't be rewritten as a graph, for its control flow depends on data",
                "protect the layers whose sizes are written in its forward",
            ) from error

    def _chosen(self, runs: bool) -> Chosen | None:
        """The attributes that must change for the user's class to be the cut network; None if that does not do."""
        search = Search(lambda chosen: self._rank(self._in_class(chosen)), lambda found: bool(found.is_good))
        cut = self._in_class().make(self._model)
        found = search.best(self._model, cut, [self._rewritten(self._cutter.example)])
        rank = self._rank(self._in_class(found)) if found else None
        if (found is None and not runs) or (rank is not None and rank.is_good):
            return found
        # Some sizes are read only when the network is called in another way, such as behind a mask.
        return search.best(self._model, cut, self._all_rewritten()) or found

    def _all_rewritten(self) -> list[Written]:
        found = [self._rewritten(self._cutter.example)]
        for variation in self._others:
            if variation.run is None:
                with contextlib.suppress(PrunusError):
                    found.append(self._rewritten(variation))
        return found

    def _rewritten(self, variation: Variation) -> Written:
        """The operations when the network is called in this way, before the cut and after it."""
        coupling = self._cutter.coupling_of(self._model, variation)
        is_example = variation is self._cutter.example
        kept = self._kept if is_example else kept_of_held(coupling, self._plan, self._held)
        return coupling.graphs[0].nodes, rewritten(coupling.graphs[0], coupling.values[0], coupling, kept)

    def _masked(self, variation: Variation, double: bool) -> nn.Module | None:
        """The masked network; where it is a traced one, it was called in this very way."""
        coupling, kept = self._cutter.coupling, self._kept
        # A norm over pruned channels averages over those that are left, which no masking of weights can show: the
        # masked network is then a traced graph, and a graph is of one way of calling.
        if self._plan.normalised and variation is not self._cutter.example:
            if variation.run is not None:
                return None
            coupling = self._cutter.coupling_of(self._model, variation)
            kept = kept_after(coupling, self._plan)
        elif double in self._networks:
            return self._networks[double]
        masked = masked_in(self._model, self._plan, coupling, kept, self._telling, double, self._places)
        with_outputs_narrowed(masked, coupling, kept)
        return masked if self._plan.normalised else self._networks.setdefault(double, masked)

    def _in_class(self, attributes: Chosen = ()) -> _Form:
        def make(original: nn.Module) -> nn.Module:
            return adapt(cut_tensors(original, self._plan, places=self._places), attributes)

        return _Form("class", make, attributes)

    def _as_graph(self) -> _Form:
        nodes = self._rewritten(self._cutter.example)[1]
        free, why = self._cutter.free_batch(replace(self._graph, nodes=tuple(nodes)), self._model, self._plan)
        training = self._cutter.in_training(self._model)
        free = replace(free, interface=replace(free.interface, trains=not training.other_results))
        make = partial(_network, self._plan, free, self._cutter.retracer(self._model, self._plan, self._narrowed))
        return _Form("graph", make, (), why, () if training.other_results else training.added)

    def _rank(self, form: _Form) -> _Proven | None:
        found = self._tried(form)
        return found[1] if found else None

    def _tried(self, form: _Form) -> tuple[_Form, _Proven] | None:
        """None if it does not run or computes something else: a forward with the wrong sizes fails in its own ways."""
        try:
            return form, self._proven(form)
        except Exception:
            return None

    def _proven(self, form: _Form) -> _Proven:
        made = cache(self._made(form.make(self._model)))
        deviation = self._proof.deviation(made)
        if form.name == "graph" and self._plan.normalised:  # then the masked network is the traced one as well
            self._cutter.check_traced(self._model, self._telling)
        trains = not form.evaluation_only
        ways = self._proof.ways(made, [each for each in self._others if trains or not each.train])
        self._proof.check(ways)
        why = "the rewritten graph has not what only training does"
        left_out = [Way(name=each.names[0], outcome="refused", why=why) for each in self._others if each.train]
        return _Proven(deviation, ways if trains else (*ways, *left_out), self._single)

    def _configured(self, small: nn.Module) -> Configured:
        """What became of its configuration, if it has one."""
        return configure(self._model, small, [self._cutter.example, *self._others]) if self._every_way else Configured()

    def _made(self, small: nn.Module) -> Made:
        left = held_tensors(small)
        return copied(small, cut_values(self._held, left, self._plan, self._telling, self._places), left)

    def _shrunk(self, form: _Form, proven: _Proven) -> Shrunk:
        """The network, which remembers how it was made."""
        small = form.make(self._model)
        configured = self._configured(small) if form.name == "class" else Configured()
        structure = Structure(
            form=form.name,
            model_class=type(self._model).__qualname__,
            plan=self._plan,
            narrowed=self._narrowed,
            attributes=(*form.attributes, *configured.changed),
            unsaid=configured.unsaid,
            left_out=configured.left_out,
            earlier=steps_to(self._model),
        )
        remember(small, structure)
        adapted = tuple(str(attribute) for attribute in form.attributes)
        shrunk = Shrunk(
            small, proven.deviation, form.name, adapted, form.fixed_batch, form.evaluation_only, ways=proven.ways
        )
        shrunk = replace(shrunk, configured=configured.told)
        if not isinstance(small, GraphNetwork):
            return shrunk
        lost = tuple(name for name in small.interface.lost if callable(getattr(type(self._model), name, None)))
        shrunk = replace(shrunk, lost=lost, caches=small.interface.caches)
        return replace(shrunk, fixed_sizes=small.interface.fixed(), retraced=small.retracer is not None)


def _is_single(graph: Graph) -> bool:
    """Whether the network asks for single or half precision itself, which its deviations are due to then."""
    types = graph.types | {node.name: node.output for node in graph.nodes}
    for node in graph.nodes:
        if not SINGLE.isdisjoint(each for each in (*node.args, *node.kwargs.values()) if isinstance(each, torch.dtype)):
            read = types.get(node.reads[0].name) if node.reads else None
            if isinstance(read, TensorType) and read.dtype.is_floating_point:
                return True
    return False


def _network(plan: Plan, graph: Graph, retracer: Retracer | None, original: nn.Module) -> GraphNetwork:
    small = cut_tensors(original, plan, elsewhere=graph.tensors.values)
    tensors = tensors_of(small, graph)
    cuts = plan.by_tensor()
    for name in _written(small, plan, graph):
        tensors[name] = without(tensors[name], cuts[name])
    if isinstance(original, GraphNetwork):
        known = original.interface
        interface = replace(graph.interface, network=known.network, lost=known.lost, caches=known.caches)
        graph = replace(graph, interface=interface)
    return GraphNetwork(graph, tensors, retracer).train(original.training)


def _written(model: nn.Module, plan: Plan, graph: Graph) -> set[str]:
    """Constants that the plan cuts and no module holds, for they are written into a forward."""
    written = plan.by_tensor().keys() & graph.tensors.values.keys()
    return written - NamedTensors(model).all().keys() if written else set()


def _at_larger_batch(model: nn.Module, example_inputs: Any, graph: Graph) -> Coupling | str:
    """The network at another batch size, or why it has but one. With one sample, many a forward takes another path."""
    call = as_call(example_inputs)
    try:
        args, kwargs = larger_batch(call)
        large = trace(model, kwargs or args, live=graph.live)
        if batch_size(call) > 1:
            args, kwargs = single(call)
            check_batch(with_free_batch(graph, large), trace(model, kwargs or args, live=graph.live))
        return couple((large,))
    except (FixedBatchError, PrunusError) as error:
        return str(error)


def _does_not_run(model: nn.Module, error: Exception) -> PrunusError:
    return PrunusError(
        f"The shrunk {type(model).__name__} does not run",
        first_line(error),
        "protect the layers concerned, and report this: it is a fault of prunus",
    )
