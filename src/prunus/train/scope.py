"""What a pruner is asked for, what it sees in an architecture, and whether a recipe can prune that at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from torch import Tensor, nn

from prunus.channels import ChannelCutter, plan
from prunus.channels.cost_model import CostModel, Share, cost_model_of, left_by_cutting
from prunus.channels.cost_target import check_reachable
from prunus.coupling.outputs import Outputs, check_outputs
from prunus.errors import InputError, PrunusError, nearest
from prunus.prune import PATTERNS, SCHEDULES, PrunableLayer, UnitSet, protected_layers, prunable_layers
from prunus.prune.allocations import ALLOCATIONS
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import check_defined, gathers_while_training
from prunus.quantization import precisions_of
from prunus.spec import Part, Recipe, builtin_recipes, make


def recipe_of(recipe: Any) -> Recipe | None:
    """The recipe, or the built-in one of that name. Raises `InputError` for anything else."""
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    known = builtin_recipes()
    if isinstance(recipe, str):
        if recipe not in known:
            raise InputError(
                f"There is no recipe {recipe!r}", "no built-in recipe has that name", nearest(recipe, known)
            )
        return known[recipe]
    raise InputError(
        f"An object of type {type(recipe).__name__} is no recipe",
        "a pruner takes a prunus.Recipe or the name of a built-in one",
        "write prunus.Recipe(name=..., pattern=prunus.Part(name='element'), ...)",
    )


def with_outputs(recipe: Recipe | None, outputs: Outputs) -> Recipe | None:
    """The recipe whose pattern keeps these outputs at their width. Raises `InputError` where it prunes no channels."""
    check_outputs(outputs)
    if outputs is None:
        return recipe
    if recipe is None or recipe.pattern.name != CUT:
        pattern = f"the pattern of its recipe is {recipe.pattern.name!r}" if recipe else "it has no recipe"
        raise InputError(
            f"A pruner can't be given outputs={outputs!r}",
            f"only channels can go from what a network returns, and {pattern}",
            "leave it out, or take a recipe with the pattern 'channel'",
        )
    named = outputs if isinstance(outputs, (str, int)) else list(outputs)
    pattern_with = Part(name=CUT, settings={**recipe.pattern.settings, "outputs": named})
    return recipe.model_copy(update={"pattern": pattern_with})


def check_arguments(model: Any, rate: Any, epochs: Any, steps_per_epoch: Any) -> None:
    """Raises `InputError` for what is no network, no rate or no length of a training."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"An object of type {type(model).__name__} is no network", "it is no torch.nn.Module", "give a module"
        )
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 <= float(rate) < 1:
        raise InputError(f"The rate {rate!r} cannot be used", "it is the share that goes", "give 0 <= rate < 1")
    if not _is_whole(epochs) or epochs < 0:
        raise InputError(f"epochs = {epochs!r} cannot be used", "epochs are counted", "give a whole number")
    if steps_per_epoch is not None and (not _is_whole(steps_per_epoch) or steps_per_epoch < 1):
        raise InputError(
            f"steps_per_epoch = {steps_per_epoch!r} cannot be used",
            "an epoch has a whole number of optimiser steps, one at least",
            "give that, or None and call pruner.after_epoch(epoch) where their number is not known",
        )


def _is_whole(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)


def cutter_for(
    model: nn.Module, unit_sets: Sequence[UnitSet], example_inputs: Tensor, outputs: Outputs = None
) -> ChannelCutter | None:
    """What cuts a network while it trains; None where it has to stay whole and masked.

    outputs: those that keep their width.

    So it has where units are no channels, where half of the channels can't be cut by way of trial (the cut at the end
    of the training then says why), and where the network that is cut would train in another way, without noise that it
    makes in training alone.
    """
    groups = [one.group for one in unit_sets if one.group is not None]
    if not groups or len(groups) < len(unit_sets):
        return None
    half = plan(groups, {group.name: range((group.units + 1) // 2) for group in groups})
    try:
        cutter = ChannelCutter(model, example_inputs, outputs=outputs)
        trial = cutter.shrink(model, half, every_way=False)
    except PrunusError:
        return None
    return None if trial.fixed_batch or trial.evaluation_only else cutter


CUT = "channel"
"""The pattern whose units can be cut out."""


@dataclass(frozen=True)
class PruningScope:
    """The layers of a network, those that are protected, and the units of the others.

    costs: what each weight costs, where the recipe's allocation goes by a cost.
    cutter: cuts the network while it trains, where that can be done.
    left_of: the share of the cost that a cut leaves, where weights alone do not tell it.
    outputs: those of the network that keep their width.
    """

    layers: tuple[PrunableLayer, ...]
    protected: frozenset[str]
    unit_sets: tuple[UnitSet, ...]
    costs: CostModel | None = field(default=None, compare=False)
    cutter: ChannelCutter | None = field(default=None, compare=False)
    left_of: Share | None = field(default=None, compare=False)
    outputs: Outputs = None

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe | None, example_inputs: Tensor) -> PruningScope:
        """Look at a network. Raises `InputError` for a part that is unknown or cannot work on it."""
        layers = prunable_layers(model, example_inputs)
        if recipe is None:
            return cls(layers, frozenset(), ())
        protected = protected_layers(layers, recipe.protect)
        if recipe.bits is not None:
            precisions_of(model, layers, recipe.bits)  # refuses names that no layer has
        criterion = make(CRITERIA, recipe.criterion)
        allocation = make(ALLOCATIONS, recipe.allocation)
        make(SCHEDULES, recipe.schedule)
        pattern = make(PATTERNS, recipe.pattern)
        unit_sets = pattern.unit_sets(model, example_inputs, layers, protected)
        check_defined(recipe.criterion.name, criterion, recipe.pattern.name, unit_sets)
        allocation.check(unit_sets)
        costs = None
        if allocation.counted:
            costs = cost_model_of(model, example_inputs, allocation.counted)
        cutter = None
        if recipe.permanence == "permanent" and not gathers_while_training(criterion):  # which wants all of the network
            cutter = cutter_for(model, unit_sets, example_inputs, pattern.kept_outputs())
        left_of = None
        if costs is not None and cutter is not None:
            left_of = left_by_cutting(costs, cutter, model, unit_sets, example_inputs)
        return cls(layers, protected, unit_sets, costs, cutter, left_of, pattern.kept_outputs())

    def check(self, recipe: Recipe, rate: float, epochs: int) -> None:
        """Raises `InputError` where the recipe's parts do not go together at this rate in so long a training."""
        if rate == 0 and recipe.bits is not None:  # it quantises alone
            return
        allocation = make(ALLOCATIONS, recipe.allocation)
        if allocation.latency_ms is None or allocation.found_rate is not None:
            rate = allocation.settled(rate)
            make(PATTERNS, recipe.pattern).check_rate(rate)
        make(PATTERNS, recipe.pattern).check_even(even=allocation.even)
        events = make(SCHEDULES, recipe.schedule).events(rate, epochs)
        moves = any(event.replaced for event in events)
        name = recipe.schedule.name
        if moves and (recipe.pattern.name == CUT or any(one.together for one in self.unit_sets)):
            raise InputError(
                f"The schedule '{name}' does not fit the pattern '{recipe.pattern.name}'",
                "it moves weights about, and these units cannot move",
                "use the pattern 'element', 'block' or 'row'",
            )
        if recipe.permanence == "regrow" and (moves or any(event.rewind_to is not None for event in events)):
            raise InputError(
                f"The schedule '{name}' does not fit the permanence 'regrow'",
                "it needs masks that stay",
                "set permanence to 'permanent'",
            )
        if recipe.bits is not None and any(event.rewind_to is not None for event in events):
            raise InputError(
                f"The schedule '{name}' does not fit bits",
                "it goes back to weights for which no ranges were found",
                "use a schedule such as 'cubic', or quantise the trained network (prunus.quantize)",
            )
        if gathers_while_training(make(CRITERIA, recipe.criterion)) and events and events[0].epoch == 0:
            raise InputError(
                f"The criterion '{recipe.criterion.name}' does not fit the schedule '{name}'",
                "it gathers while the network trains, and the schedule prunes before",
                "use a schedule such as 'cubic'",
            )
        if self.costs is not None:
            check_reachable(self.costs, allocation, self.unit_sets, rate, self.left_of)
