from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from prunus.prune import knapsack
from prunus.prune.knapsack import choose

GROUP = st.lists(st.tuples(st.integers(0, 20), st.integers(-3, 12)), min_size=1, max_size=4)


def sums(chosen, table):
    return sum(own[place] for own, place in zip(table, chosen, strict=True))


@settings(deadline=None)
@given(st.lists(GROUP, min_size=1, max_size=5), st.integers(-10, 40))
def test_it_is_as_good_as_the_best_of_all_choices(groups, budget):
    losses, costs = ([[pair[side] for pair in group] for group in groups] for side in (0, 1))
    every = product(*(range(len(group)) for group in groups))
    within = [one for one in every if sums(one, costs) <= budget]
    found = choose(losses, costs, budget)
    assert (found is None) == (not within)
    if found is not None:
        assert sums(found, costs) <= budget
        assert sums(found, losses) == min(sums(one, losses) for one in within)


@settings(deadline=None, max_examples=30)
@given(st.lists(GROUP, min_size=6, max_size=8), st.integers(0, 40))
def test_with_few_states_it_stays_within_the_budget(groups, budget):
    losses, costs = ([[pair[side] for pair in group] for group in groups] for side in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "MOST_STATES", 5)
        found = choose(losses, costs, budget)
    if found is None:
        assert sum(map(min, costs)) > budget
    else:
        assert sums(found, costs) <= budget
