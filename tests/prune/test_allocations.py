import pytest
import torch
from hypothesis import given, strategies as st

from prunus.errors import InputError
from prunus.prune import ALLOCATIONS
from prunus.prune.allocations.global_ import Global
from prunus.prune.allocations.uniform import Uniform
from prunus.prune.units import UnitSet
from prunus.spec import Part, make


def units(*counts):
    return [UnitSet(str(i), n, {}, {}) for i, n in enumerate(counts)]


def test_uniform_rounds_half_to_even_as_torch_does():
    assert Uniform().counts(units(5, 3, 10), [], 0.5) == [2, 2, 5]


def test_uniform_leaves_one_unit():
    assert Uniform().counts(units(1, 2), [], 0.99) == [0, 1]


def test_global_takes_the_lowest_wherever_they_are():
    scores = [torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.1, 0.2, 0.3, 9.0])]
    assert Global(floor=0).counts(units(4, 4), scores, 0.5) == [1, 3]


def test_global_keeps_its_floor_and_takes_the_rest_elsewhere():
    scores = [torch.tensor([5.0, 6.0, 7.0, 8.0]), torch.tensor([0.1, 0.2, 0.3, 0.4])]
    assert Global(floor=0.5).counts(units(4, 4), scores, 0.5) == [2, 2]
    assert Global(floor=0.25).counts(units(4, 4), scores, 0.5) == [1, 3]


def test_global_counts_what_is_gone_already():
    scores = [torch.tensor([float("-inf"), 6.0, 7.0, 8.0]), torch.tensor([0.1, 0.2, 0.3, 0.4])]
    assert Global(floor=0.25).counts(units(4, 4), scores, 0.5) == [1, 3]


def test_by_layer_leaves_each_layer_its_own_rate_where_they_come_to_the_rate_asked_for():
    sets = [UnitSet("a", 100, {}, {}), UnitSet("b", 300, {}, {})]
    scores = [torch.rand(one.units) for one in sets]
    by_layer = make(ALLOCATIONS, Part(name="by_layer", settings={"rates": {"a": 0.2, "b": 0.8}}))
    assert by_layer.counts(sets, scores, 0.65) == [20, 240]
    # Densities 0.8 and 0.2 half as large, and so much larger that `a` is whole.
    assert by_layer.counts(sets, scores, 0.825) == [60, 270]
    assert by_layer.counts(sets, scores, 0.5) == [0, 200]


def test_by_layer_refuses_names_that_nothing_has():
    by_layer = make(ALLOCATIONS, Part(name="by_layer", settings={"rates": {"features.00": 0.2}}))
    with pytest.raises(InputError, match=r"a rate for 'features\.00'.*Did you mean 'features\.0'"):
        by_layer.check([UnitSet("features.0", 10, {}, {})])


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=4),
    st.floats(0, 0.99),
    st.floats(0, 1),
)
def test_global_is_one_ranking_of_all_but_each_floor(layers, rate, floor):
    """By brute force, ties included: the floors are set aside first, then the lowest go in order."""
    sizes = [len(layer) for layer in layers]
    ranked = []
    for number, layer in enumerate(layers):
        keep = max(1, round(floor * len(layer)))
        order = sorted(range(len(layer)), key=lambda i: (layer[i], i))
        ranked += [(layer[i], number, i) for i in order[: len(layer) - keep]]
    gone = sorted(ranked)[: round(rate * sum(sizes))]
    expected = [sum(number == index for _, number, _ in gone) for index in range(len(layers))]
    scores = [torch.tensor(layer, dtype=torch.float32) for layer in layers]
    assert Global(floor=floor).counts(units(*sizes), scores, rate) == expected
