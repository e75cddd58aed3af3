"""Differences paired by seed, and epochs to 99 %."""

from dataclasses import replace

import pytest

from prunus.report.findings import Findings
from prunus.report.losses import losses_info
from report.tiny import ALL, epochs, grid, rows, trial

FOUR = (*epochs("u0", 500, 890, 900), *epochs("s0", 500, 600, 890), *epochs("u1", 950), *epochs("s1", 930))


def test_differences_are_paired_by_seed() -> None:
    _, pruned = losses_info(grid(epochs=FOUR))
    # seed 0: 0.890 - 0.900, seed 1: 0.930 - 0.950
    assert pruned.difference is not None
    assert pruned.difference.mean == pytest.approx(-0.015)
    assert pruned.difference.half_width == pytest.approx(12.7062 * 0.005, rel=1e-4)  # t(0.975, 1) times 0.005
    assert pruned.reading == "not shown"


def test_a_seed_without_its_control_is_left_out() -> None:
    trials = (trial("u0"), trial("s0"), trial("u1", "failed"), trial("s1"))
    _, pruned = losses_info(grid(trials, epochs=FOUR))
    assert pruned.difference is not None
    assert pruned.difference.mean == pytest.approx(-0.01)
    assert pruned.reading == "one seed, no interval"
    assert pruned.final is not None
    assert pruned.final.count == 2


@pytest.mark.parametrize(
    ("first", "second", "reading"),
    [(700, 702, "lower"), (900, 902, "equivalent"), (990, 992, "higher"), (850, 950, "not shown")],
)
def test_each_reading(first: int, second: int, reading: str) -> None:
    table = (*epochs("u0", 900), *epochs("u1", 901), *epochs("s0", first), *epochs("s1", second))
    assert losses_info(grid(epochs=table))[1].reading == reading


def test_seeds_that_agree_on_one_input_show_no_difference() -> None:
    table = (*epochs("u0", 900), *epochs("u1", 900), *epochs("s0", 899), *epochs("s1", 899))
    comparison = losses_info(grid(epochs=table))[1].comparison
    assert comparison.p_difference is not None
    assert comparison.p_difference == pytest.approx(0.05, abs=1e-6)


def test_what_is_equivalent_depends_on_the_margin_of_the_study() -> None:
    table = (*epochs("u0", 900), *epochs("u1", 901), *epochs("s0", 880), *epochs("s1", 880))
    narrow = rows(epochs=table)
    wide = replace(narrow, study=narrow.study.model_copy(update={"margin": 5.0}))
    assert [losses_info(Findings(one))[1].reading for one in (narrow, wide)] == ["lower", "equivalent"]


def test_epochs_are_counted_to_99_percent_of_the_unpruned_end_of_the_same_seed() -> None:
    control, pruned = losses_info(grid(epochs=FOUR))
    assert control.epochs_to_reach == (3, 1)  # 891 and 940.5 correct answers are asked for
    assert pruned.epochs_to_reach == (None, None)  # 890 and 930 were the best


def test_running_trials_have_no_final_accuracy() -> None:
    trials = tuple(replace(one, status="running") for one in ALL)
    assert [loss.final for loss in losses_info(grid(trials, epochs=FOUR))] == [None, None]


def test_without_trials_there_is_nothing() -> None:
    assert losses_info(grid(())) == ()
