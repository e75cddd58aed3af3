"""What weights cost, and what is left of a network's cost when units are gone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor, nn

from prunus.channels import ChannelCutter, plan
from prunus.cost import NetworkCost, count_cost, count_costs
from prunus.prune import Masks, UnitSet
from prunus.prune.allocations.allocation import Counted
from prunus.trace.copying import exact_copy

Share: TypeAlias = Callable[[Sequence[int]], float]
"""Units that go of each set -> share of the cost that is left."""


@dataclass(frozen=True)
class CostModel:
    """What a network costs, weight by weight.

    per_weight: parameter -> cost of each of its elements. total: of everything. all_of_weights: nothing in it is a cost
    without weights, such as a product of two activations, which shrinks only where the network is cut.
    """

    kind: Counted
    per_weight: Mapping[str, float]
    shapes: Mapping[str, tuple[int, ...]]
    total: float
    all_of_weights: bool

    def left(self, unit_sets: Sequence[UnitSet], gone: Mapping[str, Tensor]) -> float:
        """The share of the cost that is left when units are gone."""
        spared = sum(
            (math.prod(self.shapes[name]) - count) * self.per_weight.get(name, 0.0)
            for name, count in _elements_left(self.shapes, unit_sets, gone).items()
        )
        return 1 - spared / self.total


def _elements_left(
    shapes: Mapping[str, tuple[int, ...]], unit_sets: Sequence[UnitSet], gone: Mapping[str, Tensor]
) -> dict[str, int]:
    """Parameter -> its elements that are left; of channels, without laying masks over what may be large."""
    places: dict[tuple[str, int], set[int]] = {}
    for one in unit_sets:
        if one.group is not None:
            units = gone[one.name].nonzero().flatten().tolist()
            for member in (*one.group.producers, *one.group.consumers):
                if member.parameter in shapes:
                    along = places.setdefault((member.parameter, member.dim), set())
                    along.update(position for unit in units for position in member.indices[unit])
    kept: dict[str, list[int]] = {name: list(shapes[name]) for name, _ in places}
    for (name, dim), along in places.items():
        kept[name][dim] -= len(along)
    masks = masks_of([one for one in unit_sets if one.group is None], gone)
    return {name: math.prod(sizes) for name, sizes in kept.items()} | {
        name: int(mask.count_nonzero()) for name, mask in masks.items()
    }


def cost_model_of(model: nn.Module, example_inputs: Any, kind: Counted) -> CostModel:
    """The costs of a network's parameters."""
    cost = count_cost(model, example_inputs)
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    if kind == "params":
        return CostModel(kind, dict.fromkeys(parameters, 1.0), shapes, float(cost.parameters), True)
    found = _per_weight(cost, kind, parameters)
    total, priced = float(getattr(cost, f"dense_{kind}")), sum(found[name] * math.prod(shapes[name]) for name in found)
    return CostModel(kind, found, shapes, total, abs(total - priced) < 1e-6 * total)


def left_by_cutting(
    costs: CostModel, cutter: ChannelCutter, model: nn.Module, unit_sets: Sequence[UnitSet], example_inputs: Any
) -> Share | None:
    """What tells the share of the cost that a cut leaves; None where weights tell it."""
    if costs.all_of_weights:
        return None
    clone = exact_copy(model).cpu()
    groups = [one.group for one in unit_sets if one.group is not None]
    name = "parameters" if costs.kind == "params" else f"dense_{costs.kind}"

    def left_of(counts: Sequence[int]) -> float:
        kept = {one.name: range(one.rounded(count), one.units) for one, count in zip(unit_sets, counts, strict=True)}
        small = cutter.shrink(clone, plan(groups, kept), every_way=False).model
        before, after = (float(getattr(cost, name)) for cost in count_costs((clone, small), example_inputs))
        return after / before

    return left_of


def _per_weight(cost: NetworkCost, kind: Counted, parameters: Mapping[str, nn.Parameter]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for layer in cost.layers:
        name = layer.layer if layer.layer in parameters else f"{layer.layer}.weight".lstrip(".")
        if layer.weights and name in parameters:
            found[name] = getattr(layer, f"dense_{kind}") / layer.weights
    return found


def masks_of(unit_sets: Sequence[UnitSet], gone: Mapping[str, Tensor]) -> Masks:
    """The masks of units that are gone; those of several sets on one parameter are laid over each other."""
    masks: Masks = {}
    for one in unit_sets:
        if one.name in gone:
            for name, spread in one.masked.items():
                mask = spread(~gone[one.name])
                masks[name] = masks[name] & mask if name in masks else mask
    return masks
