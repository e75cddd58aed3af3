"""What a network costs before and after a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from prunus.cost import bops, count_cost
from prunus.cost.traced import traced_macs, traced_shapes
from prunus.graph import Wiring
from prunus.graph.axes import Axes
from prunus.graph.inventory import modules_of
from prunus.graph.kept import Kept
from prunus.surgery.report import Amount

BITS = 32


@dataclass(frozen=True)
class Costs:
    """For one input. not_counted: operations of the smaller network whose MACs are not known -> calls."""

    parameters: Amount
    macs: Amount
    bops: Amount
    not_counted: dict[str, int] = field(default_factory=dict)


def costs_of(model: nn.Module, small: nn.Module, example_inputs: Any, wiring: Wiring, kept: Kept) -> Costs:
    """Read off the graph where all products in it are known; else both networks are run to count them.

    kept: what is left of the wired model in the smaller one, which is proven to compute the same.
    """
    graph, values = wiring.graphs[0], wiring.values[0]

    def left(name: str) -> tuple[int, ...]:
        axes: Axes = values[name] if name in values else wiring.tensors[graph.tensors.name_of(name)]
        return kept.shape(axes)

    if (macs := traced_macs(graph, traced_shapes(graph), left)) is not None:
        return _costs([_parameters(one) for one in (model, small)], macs)
    counts = [count_cost(one, example_inputs, weight_bits=BITS, activation_bits=BITS) for one in (model, small)]
    found = _costs([one.parameters for one in counts], [one.dense_macs for one in counts])
    return Costs(found.parameters, found.macs, found.bops, dict(counts[1].not_counted))


def _costs(parameters: Sequence[int], macs: Sequence[int]) -> Costs:
    bit_operations = [bops(one, BITS, BITS) for one in macs]
    amounts = [Amount(before=before, after=after) for before, after in (parameters, macs, bit_operations)]
    return Costs(amounts[0], amounts[1], amounts[2])


def _parameters(model: nn.Module) -> int:
    held = (parameter for module in modules_of(model) for parameter in module._parameters.values())
    return sum({id(each): each.numel() for each in held if each is not None}.values())
