"""Shares, ratios and fronts of computed cost."""

import pytest

from prunus.report.costs import costs_info
from report.tiny import cost, epochs, grid

EPOCHS = (*epochs("u0", 900), *epochs("u1", 900), *epochs("s0", 800), *epochs("s1", 800))


def test_ratios_are_to_the_unpruned_network() -> None:
    costs = [cost("u0", 100, 100), cost("u1", 100, 100), cost("s0", 50, 25), cost("s1", 50, 25)]
    unpruned, pruned = costs_info(grid(epochs=EPOCHS, costs=costs))
    assert pruned.dense_bops_share == 0.5
    assert pruned.effective_bops_share == 0.25
    assert pruned.theoretical_speedup == 4.0
    assert pruned.compression_all == pytest.approx(110 / 60)
    assert pruned.compression_nonzero == pytest.approx(110 / 35)
    assert unpruned.theoretical_speedup == 1.0


def test_numbers_are_means_over_seeds() -> None:
    _, pruned = costs_info(grid(epochs=EPOCHS, costs=[cost("u0", 100, 100), cost("s0", 60, 20), cost("s1", 40, 10)]))
    assert pruned.dense_macs == 50
    assert pruned.effective_macs == 15


def test_cheaper_and_better_networks_are_on_the_front() -> None:
    costs = [cost(name, 100, 100) for name in ("u0", "u1")] + [cost(name, 100, 50) for name in ("s0", "s1")]
    unpruned, pruned = costs_info(grid(epochs=EPOCHS, costs=costs))
    assert (unpruned.on_dense_front, pruned.on_dense_front) == (True, False)  # as dear, less accurate
    assert (unpruned.on_effective_front, pruned.on_effective_front) == (True, True)


def test_the_largest_deviation_and_all_that_was_not_counted_are_kept() -> None:
    costs = [
        cost("s0", 1, 1, shrunk=True, shrink_deviation=1e-7, not_counted='["aten::fft"]'),
        cost("s1", 1, 1, shrunk=True, shrink_deviation=3e-7, not_counted='["aten::sort"]'),
    ]
    _, pruned = costs_info(grid(epochs=EPOCHS, costs=costs))
    assert pruned.shrink_deviation == 3e-7
    assert pruned.not_counted == ("aten::fft", "aten::sort")


@pytest.mark.parametrize("damaged", ["", "{", '"word"', "[1, null]", "\x1b[31m"])
def test_a_damaged_list_is_shown_and_not_obeyed(damaged: str) -> None:
    _, pruned = costs_info(grid(epochs=EPOCHS, costs=[cost("s0", 1, 1, not_counted=damaged)]))
    assert all("\x1b" not in name for name in pruned.not_counted)


def test_without_a_control_there_are_numbers_but_no_ratios() -> None:
    _, pruned = costs_info(grid(epochs=EPOCHS, costs=[cost("s0", 50, 25)]))
    assert pruned.effective_macs == 25
    assert pruned.effective_bops_share is None
    assert pruned.theoretical_speedup is None
