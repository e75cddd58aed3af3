"""What a recipe sees in an architecture, whatever its weights are, and whether it can prune it at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune import PATTERNS, SCHEDULES, PrunableLayer, UnitSet, protected_layers, prunable_layers
from prunus.prune.allocations import ALLOCATIONS
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import check_defined
from prunus.spec import Recipe, make
from prunus.surgery import Surgeon
from prunus.train.prices import Prices, Share, left_by_cutting, prices_of
from prunus.train.surgeon import surgeon_for
from prunus.train.target import check_reachable

CUT = "channel"
"""The pattern whose units can be cut out."""


@dataclass(frozen=True)
class Anatomy:
    """The layers of a network, those that are protected, and the units of the others.

    prices: what each weight costs, where the recipe's allocation goes by a cost.
    surgeon: cuts the network while it trains, where that can be done.
    left_of: the share of the cost that a cut leaves, where weights alone do not tell it.
    """

    layers: tuple[PrunableLayer, ...]
    protected: frozenset[str]
    unit_sets: tuple[UnitSet, ...]
    prices: Prices | None = field(default=None, compare=False)
    surgeon: Surgeon | None = field(default=None, compare=False)
    left_of: Share | None = field(default=None, compare=False)

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe | None, example_inputs: Tensor) -> Anatomy:
        """Look at a network. Raises `InputError` for a part that is unknown or cannot work on it."""
        layers = prunable_layers(model, example_inputs)
        if recipe is None:
            return cls(layers, frozenset(), ())
        protected = protected_layers(layers, recipe.protect)
        criterion = make(CRITERIA, recipe.criterion)
        allocation = make(ALLOCATIONS, recipe.allocation)
        make(SCHEDULES, recipe.schedule)
        pattern = make(PATTERNS, recipe.pattern)
        unit_sets = pattern.unit_sets(model, example_inputs, layers, protected)
        check_defined(recipe.criterion.name, criterion, recipe.pattern.name, unit_sets)
        allocation.check(unit_sets)
        prices = None
        if allocation.counted:
            prices = prices_of(model, example_inputs, allocation.counted)
        surgeon = None
        if recipe.permanence == "permanent" and "movement" not in criterion.needs:  # it wants every step's gradients
            surgeon = surgeon_for(model, unit_sets, example_inputs)
        left_of = None
        if prices is not None and surgeon is not None:
            left_of = left_by_cutting(prices, surgeon, model, unit_sets, example_inputs)
        return cls(layers, protected, unit_sets, prices, surgeon, left_of)

    def check(self, recipe: Recipe, rate: float, epochs: int) -> None:
        """Raises `InputError` where the recipe's parts do not go together at this rate in so long a training."""
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
        if "movement" in make(CRITERIA, recipe.criterion).needs and events and events[0].epoch == 0:
            raise InputError(
                f"The criterion '{recipe.criterion.name}' does not fit the schedule '{name}'",
                "it gathers while the network trains, and the schedule prunes before",
                "use a schedule such as 'cubic'",
            )
        if self.prices is not None:
            check_reachable(self.prices, allocation, self.unit_sets, rate, self.left_of)
