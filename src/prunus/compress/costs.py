"""What a network costs at given widths of its groups: counted exactly, or put together from what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from prunus.compress.layers import Sizes, TimedLayer
from prunus.compress.widths import GroupWidths, Widths

Floats = NDArray[np.float64]


class Costs(Protocol):
    """What a network costs; in the unit of what is asked for."""

    def total(self, widths: Widths) -> float:
        """What the network costs at these widths."""


@dataclass(frozen=True)
class WeightSizes:
    """The sizes of a parameter, and how they follow from the widths of groups.

    along: dimension, group, and positions that each of the group's units has in that dimension.
    """

    name: str
    sizes: Sizes
    along: tuple[tuple[int, str, float], ...]
    units: Mapping[str, int] = field(repr=False)

    def at(self, widths: Widths) -> Sizes:
        """The sizes at these widths; groups that are not named are whole."""
        left = [float(size) for size in self.sizes]
        for dim, group, positions in self.along:
            left[dim] -= (self.units[group] - widths.get(group, self.units[group])) * positions
        return tuple(max(1, round(size)) for size in left)

    @property
    def narrowed(self) -> tuple[int, ...]:
        """The dimensions that can become smaller."""
        return tuple(sorted({dim for dim, _, _ in self.along}))


def weight_sizes(model: nn.Module, groups: Sequence[GroupWidths]) -> dict[str, WeightSizes]:
    """All parameters by name."""
    along: dict[str, dict[tuple[int, str], set[int]]] = {}
    for one in groups:
        for member in (*one.group.producers, *one.group.consumers):
            positions = along.setdefault(member.parameter, {}).setdefault((member.dim, one.name), set())
            positions.update(position for unit in member.indices for position in unit)
    units = {one.name: one.group.units for one in groups}
    return {
        name: WeightSizes(
            name,
            tuple(parameter.shape),
            tuple((dim, group, len(at) / units[group]) for (dim, group), at in along.get(name, {}).items()),
            units,
        )
        for name, parameter in model.named_parameters()
    }


@dataclass(frozen=True)
class CountedCosts:
    """What is counted by the elements of weights that are left: bytes, or MACs.

    per_element: parameter -> cost of each of its elements. fixed: what no group changes.
    """

    sizes: Mapping[str, WeightSizes]
    per_element: Mapping[str, float]
    fixed: float = 0.0

    def total(self, widths: Widths) -> float:
        """What the network costs at these widths."""
        return self.fixed + sum(
            each * math.prod(self.sizes[name].at(widths)) for name, each in self.per_element.items()
        )


@dataclass(frozen=True, eq=False)
class LayerTimes:
    """Milliseconds of one call of a layer, measured at a grid of sizes of its weight, and between them in proportion.

    axes: the sizes of the first two dimensions, rising. values: milliseconds at each pair of them.
    """

    axes: tuple[tuple[int, ...], tuple[int, ...]]
    values: Floats

    def at(self, sizes: Sizes) -> float:
        """Bilinear between the four nearest."""
        (low, high, share), (left, right, across) = (
            _around(axis, size) for axis, size in zip(self.axes, sizes, strict=False)
        )
        near = (1 - across) * self.values[low, left] + across * self.values[low, right]
        far = (1 - across) * self.values[high, left] + across * self.values[high, right]
        return float((1 - share) * near + share * far)


def _around(axis: Sequence[int], size: int) -> tuple[int, int, float]:
    """The places of the two nearest sizes, and how far it is from the first to the second.

    >>> _around((4, 8, 16), 12), _around((4, 8, 16), 2)
    ((1, 2, 0.5), (0, 0, 0.0))
    """
    above = int(np.searchsorted(axis, size))
    if above == 0 or above == len(axis):
        end = min(above, len(axis) - 1)
        return end, end, 0.0
    return above - 1, above, (size - axis[above - 1]) / (axis[above] - axis[above - 1])


def grid_of(sizes: WeightSizes, groups: Sequence[GroupWidths], levels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes of a weight's first two dimensions at which its layer is timed: those at so many even widths."""
    found: list[set[int]] = [{sizes.sizes[0]}, {sizes.sizes[1]}]
    for level in range(1, levels + 1):
        even = {one.name: max(1, round(one.group.units * level / levels)) for one in groups}
        for dim in (0, 1):
            found[dim].add(sizes.at(even)[dim])
    return tuple(sorted(found[0])), tuple(sorted(found[1]))


def points_of(axes: tuple[Sequence[int], Sequence[int]], sizes: Sizes) -> list[Sizes]:
    """All sizes of a grid, in the order of the values of `LayerTimes`."""
    return [(*pair, *sizes[2:]) for pair in product(*axes)]


@dataclass(frozen=True, eq=False)
class MeasuredCosts:
    """Milliseconds of the network: of its layers as they were timed, and of all else together.

    layers: those that were timed. times: their tables, in the same order. rest: what the whole network took beyond its
    layers, by what was left of all else, rising.
    """

    layers: tuple[TimedLayer, ...]
    sizes: Mapping[str, WeightSizes]
    times: tuple[LayerTimes, ...]
    rest: tuple[tuple[float, ...], tuple[float, ...]] = ((1.0,), (0.0,))
    _known: dict[tuple[int, Sizes], float] = field(default_factory=dict, repr=False)

    def total(self, widths: Widths) -> float:
        """What the network costs at these widths."""
        left = [self.sizes[layer.weight].at(widths) for layer in self.layers]
        return self.of_layers(left) + float(np.interp(self._others(widths, left), *self.rest))

    def of_layers(self, left: Sequence[Sizes]) -> float:
        """Milliseconds of the timed layers at these sizes."""
        return sum(self._of_layer(place, sizes) for place, sizes in enumerate(left))

    def with_rest(self, measured: Sequence[tuple[Widths, float]]) -> MeasuredCosts:
        """Where the whole network was measured as well, at these widths: milliseconds."""
        points = {}
        for widths, latency_ms in measured:
            left = [self.sizes[layer.weight].at(widths) for layer in self.layers]
            points[self._others(widths, left)] = latency_ms - self.of_layers(left)
        shares = tuple(sorted(points))
        return MeasuredCosts(self.layers, self.sizes, self.times, (shares, tuple(points[share] for share in shares)))

    def _of_layer(self, place: int, sizes: Sizes) -> float:
        if (place, sizes) not in self._known:
            self._known[place, sizes] = self.layers[place].calls * self.times[place].at(sizes)
        return self._known[place, sizes]

    @cached_property
    def _untimed(self) -> tuple[WeightSizes, ...]:
        """Weights of layers that were not timed, and that can become smaller."""
        timed = {layer.weight for layer in self.layers}
        return tuple(
            one for name, one in self.sizes.items() if name not in timed and one.narrowed and len(one.sizes) > 1
        )

    def _others(self, widths: Widths, left: Sequence[Sizes]) -> float:
        """The share of the weights that is left of layers that were not timed; without such, that of activations."""
        if self._untimed:
            kept, all_of_them = (
                sum(math.prod(sizes) for sizes in found)
                for found in ((one.at(widths) for one in self._untimed), (one.sizes for one in self._untimed))
            )
            return kept / all_of_them
        return self._activations(left)

    def _activations(self, left: Sequence[Sizes]) -> float:
        """The share of the inputs of all timed layers that is left."""
        kept = whole = 0.0
        for layer, sizes in zip(self.layers, left, strict=True):
            volume = layer.rows * math.prod(layer.input_shape) * layer.calls
            whole += volume
            kept += volume * layer.inputs_at(sizes) / layer.inputs_at(layer.sizes)
        return kept / whole if whole else 1.0
