"""What was asked for beside what was achieved."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from prunus.report.achieved import achieved_info, sparsity
from prunus.report.layers import layers_info
from report.tiny import ALL, cost, grid, layer

UNPRUNED = (layer("u0", 0, 40, 40, 4, 0), layer("u0", 1, 60, 60, 6, 0))


def test_a_cut_layer_is_compared_with_the_unpruned_one() -> None:
    """Two of four and three of six channels are gone, and with them the inputs of the second layer."""
    cut = (layer("s0", 0, 20, 20, 2, 0), layer("s0", 1, 15, 15, 3, 0))
    (info,) = achieved_info(grid(layers=UNPRUNED + cut))
    assert info.unit == "units"
    assert info.in_asked_layers == 0.5
    assert info.weights_in_asked_layers == pytest.approx(1 - 35 / 100)
    assert not info.missed


def test_masked_rows_count_like_cut_ones() -> None:
    masked = (layer("s0", 0, 40, 20, 4, 2), layer("s0", 1, 60, 15, 6, 3))
    (info,) = achieved_info(grid(layers=UNPRUNED + masked))
    assert (info.in_asked_layers, info.weights_in_asked_layers) == (0.5, pytest.approx(0.65))


def test_a_rate_of_weights_is_a_share_of_weights() -> None:
    trials = tuple(replace(one, pattern="element" if one.recipe else None) for one in ALL)
    zeroed = (layer("s0", 0, 40, 20, 4, 0), layer("s0", 1, 60, 24, 6, 0))
    (info,) = achieved_info(grid(trials, layers=UNPRUNED + zeroed))
    assert info.unit == "weights"
    assert info.in_asked_layers == pytest.approx(0.56)
    assert info.missed  # 6 points more than asked


def test_protected_layers_do_not_count_towards_the_rate() -> None:
    protected = (layer("s0", 0, 40, 20, 4, 2), layer("s0", 1, 60, 60, 6, 0, rate=None, protected=True, output=True))
    (info,) = achieved_info(grid(layers=UNPRUNED + protected))
    assert info.in_asked_layers == 0.5


def test_shares_of_the_whole_network_are_against_the_unpruned_one() -> None:
    tables = {"costs": [cost("u0", 90, 90), cost("s0", 45, 40)]}
    (info,) = achieved_info(grid(**tables))
    assert info.sparsity == pytest.approx(1 - 40 / 90)
    assert info.parameters == pytest.approx(1 - 50 / 100)
    assert info.macs == info.bops == pytest.approx(1 - 40 / 90)
    assert info.bytes is None


def test_without_any_cost_sparsity_is_that_of_the_last_epoch() -> None:
    from report.tiny import epochs

    study = grid(epochs=epochs("s0", 1, 2))
    assert sparsity(study, study.cells[0]) == 0.5


@given(st.integers(1, 64), st.data())
def test_a_layer_of_which_a_share_is_empty_has_achieved_it(units: int, data: st.DataObject) -> None:
    empty = data.draw(st.integers(0, units))
    study = grid(layers=(layer("s0", 0, 9 * units, 9 * (units - empty), units, empty),))
    (info,) = achieved_info(study)
    assert info.in_asked_layers == pytest.approx(empty / units)
    assert info.weights_in_asked_layers == pytest.approx(empty / units)


def test_a_layer_of_which_nothing_is_left_is_told() -> None:
    emptied = (layer("s0", 0, 40, 0, 4, 4), layer("s1", 0, 40, 20, 4, 2))
    (info,) = layers_info(grid(layers=UNPRUNED + emptied))
    assert info.emptied_in == (0,)
    assert info.weights_gone == pytest.approx(0.75)
    assert (info.weights, info.units) == (40, 4)


def test_a_product_without_weights_is_not_an_emptied_layer() -> None:
    (info,) = layers_info(grid(layers=(layer("s0", 0, 0, 0, 0, 0, kind="matmul", rate=None),)))
    assert info.emptied_in == ()
