"""Exact counts where counting is hard: ties, zeros, rates at their ends, layers of one channel, shared weights."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from prunus.prune import ALLOCATIONS, PATTERNS
from prunus.spec import Part, Recipe
from prunus.train import Pruner

X = torch.zeros(2, 4, 4, 4)
SETTINGS = {"nm": {"m": 2}, "block": {"rows": 2, "columns": 3}}
RATES = [0.0, 0.3, 0.5, 0.999999, float(np.nextafter(1, 0))]


class Odd(nn.Module):
    """A layer of equal weights, one of zeros, one of a single channel, and one weight that two layers share."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.equal, self.zero = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 1)
        self.narrow, self.wide = nn.Conv2d(4, 1, 1, groups=1), nn.Conv2d(1, 4, 3, padding=1, groups=1)
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight
        nn.init.constant_(self.equal.weight, 0.5)
        nn.init.zeros_(self.zero.weight)

    def forward(self, x):
        x = self.zero(self.equal(x).relu()).relu()
        x = (x.mean((2, 3)) + self.wide(self.narrow(x)).mean((2, 3))).relu()
        return self.head(self.second(self.first(x).relu()))


def pruned(pattern, allocation, rate):
    recipe = Recipe(
        name="odd",
        pattern=Part(name=pattern, settings=SETTINGS.get(pattern, {})),
        allocation=Part(name=allocation),
        schedule=Part(name="at_init"),
        protect=("output", "wide") if pattern == "nm" else ("output",),
    )
    return Pruner(Odd(), recipe, X, rate=rate, epochs=1, steps_per_epoch=1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("allocation", ALLOCATIONS.names())
@pytest.mark.parametrize("pattern", PATTERNS.names())
def test_exactly_as_many_units_go_as_the_allocation_says(pattern, allocation, rate):
    one = pruned(pattern, allocation, rate)
    sets = one.scope.unit_sets
    gone = [int(one.gone[each.name].sum()) if one.gone else 0 for each in sets]
    units = [each.units for each in sets]
    assert all(count < total for count, total in zip(gone, units, strict=True))  # nothing is emptied
    if rate == 0:
        assert sum(gone) == 0
        assert not one.masks()
        return
    for each, mask in one.masks().items():
        assert (one.model.get_parameter(each)[~mask] == 0).all()
    if pattern == "nm":
        assert all(count % (total // 2) == 0 for count, total in zip(gone, units, strict=True))
    elif allocation == "uniform":
        assert gone == [min(round(rate * total), total - 1) for total in units]
    elif allocation in ("global", "lamp"):
        assert sum(gone) == min(round(rate * sum(units)), sum(units) - len(units))
    else:
        assert abs(sum(gone) - min(round(rate * sum(units)), sum(units) - len(units))) <= len(units)


def test_a_shared_weight_is_pruned_once_and_for_both():
    one = pruned("element", "uniform", 0.5)
    assert [each.name for each in one.scope.unit_sets].count("first") == 1
    assert "second" not in [each.name for each in one.scope.unit_sets]
    assert one.model.first.weight is one.model.second.weight
    assert int((one.model.second.weight == 0).sum()) == 8


def test_among_equals_the_first_go():
    one = pruned("element", "uniform", 0.5)
    assert one.gone["equal"].tolist() == [True] * 12 + [False] * 12


@st.composite
def networks(draw):
    """Chains of linear layers, some of one channel, of equal weights, of zeros, or of a weight used before."""
    widths = draw(st.lists(st.sampled_from([1, 2, 3, 5, 8]), min_size=2, max_size=5))
    layers = [nn.Linear(before, after) for before, after in pairwise(widths)]
    for layer in layers:
        fill = draw(st.sampled_from(["random", "equal", "zero", "few", "shared"]))
        if fill == "shared":
            alike = [other for other in layers if other.weight.shape == layer.weight.shape]
            layer.weight = alike[0].weight
        elif fill != "random":
            with torch.no_grad():
                layer.weight.copy_({"equal": torch.ones(()), "zero": torch.zeros(())}.get(fill, layer.weight.sign()))
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2))


@given(
    networks(),
    st.sampled_from(["element", "row", "block"]),
    st.sampled_from(["uniform", "global", "erk", "lamp"]),
    st.one_of(st.floats(0, 0.95), st.sampled_from(RATES)),
    st.integers(0, 3),
)
def test_counts_are_exact_whatever_the_network(network, pattern, allocation, rate, seed):
    criterion = ("magnitude", "random")[seed % 2]
    recipe = Recipe(
        name="any",
        pattern=Part(name=pattern, settings=SETTINGS.get(pattern, {})),
        criterion=Part(name=criterion),
        allocation=Part(name=allocation),
        schedule=Part(name="at_init"),
    )
    inputs = torch.zeros(1, network[0].in_features)
    one = Pruner(network, recipe, inputs, rate=rate, epochs=1, steps_per_epoch=1, seed=seed)
    sets = one.scope.unit_sets
    units = [each.units for each in sets]
    gone = [int(one.gone[each.name].sum()) if one.gone else 0 for each in sets]
    assert len({id(network.get_parameter(f"{each.name}.weight")) for each in sets}) == len(sets)  # shared ones once
    assert all(count < total for count, total in zip(gone, units, strict=True))
    if allocation == "uniform":
        assert gone == [min(round(rate * total), total - 1) for total in units]
    elif allocation == "lamp":
        assert sum(gone) == min(round(rate * sum(units)), sum(units) - len(units))
    elif allocation == "global":
        floors = [max(1, round(0.01 * total)) for total in units]
        assert sum(gone) == min(round(rate * sum(units)), sum(units) - sum(floors))
    else:
        assert abs(sum(gone) - min(round(rate * sum(units)), sum(units) - len(units))) <= len(units)
    for name, mask in one.masks().items():
        assert (network.get_parameter(name)[~mask] == 0).all()
