"""Outliers among seeds, networks that predict one class alone, and how the first page names them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunus.report.classes import balanced_accuracy, is_unbalanced, largest_class
from prunus.report.collapses import collapses_info, has_collapsed
from prunus.report.findings import Findings
from prunus.report.front_page import FrontPage
from prunus.report.headline import collapsed_runs, one_class_alone, unbalanced, warnings_of
from prunus.report.summary import summary_info
from prunus.store import ClassRow
from report.tiny import epochs, grid, rows, trial

THREE = tuple(
    trial(name[:2], trial=name, seed=seed) for name, seed in (("u0", 0), ("s0", 0), ("u1", 1), ("s1", 1), ("s1x", 2))
)
COLLAPSED = (*epochs("u0", 900), *epochs("u1", 905), *epochs("s0", 890), *epochs("s1", 895), *epochs("s1x", 104))


def classes(name: str, tested: tuple[int, ...], right: tuple[int, ...], predicted: tuple[int, ...]) -> list[ClassRow]:
    """Classes called a, b, ..."""
    counts = zip(tested, predicted, right, strict=True)
    return [ClassRow(name, index, "abc"[index], *count, False) for index, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("accuracy", "others", "chance", "expected"),
    [
        (0.10, [0.96, 0.97], 0.1, True),  # at chance
        (0.10, [0.11, 0.97], 0.1, True),  # another one collapsed, too
        (0.10, [0.11, 0.12], 0.1, False),  # all of them are as low: no outlier
        (0.18, [0.97], 0.1, True),  # within a tenth of the way from chance
        (0.60, [0.97], 0.1, False),  # which of two is the outlier, nobody knows
        (0.60, [0.96, 0.97], 0.1, True),
        (0.60, [0.75, 0.97], 0.1, False),  # they scatter as much
        (0.91, [0.97, 0.971], 0.1, False),  # less than ten points
        (0.99, [0.60, 0.61], 0.1, False),  # high
        (0.60, [0.96, 0.97], None, True),
        (0.97, [], 0.1, False),
    ],
)
def test_what_collapsed(accuracy: float, others: list[float], chance: float | None, expected: bool) -> None:
    assert has_collapsed(accuracy, others, chance) is expected


def test_runs_that_scatter_alike_are_seldom_called_collapsed() -> None:
    random, wrong = np.random.default_rng(0), 0
    for _ in range(500):
        final = random.normal(0.9, 0.02, 3)
        wrong += any(has_collapsed(value, list(np.delete(final, i)), 0.1) for i, value in enumerate(final))
    assert wrong == 0


def test_a_run_that_collapsed_is_named_on_the_first_page() -> None:
    study = Findings(rows(THREE, epochs=COLLAPSED))
    assert [(one.recipe, one.seed) for one in collapses_info(study)] == [("structured", 2)]
    assert collapsed_runs(study) == (
        "1 run collapsed, far below the other seeds: structured 0.5, seed 2 (10.4 %, other seeds 89.2 %). Mean and "
        "interval of such a row mix two kinds of runs and describe neither."
    )
    assert collapsed_runs(study) in warnings_of(study)


def test_few_seeds_say_what_their_interval_takes_for_granted() -> None:
    text = str(FrontPage().content(Findings(rows(THREE, epochs=COLLAPSED))))
    assert "An interval of 3 seeds takes for granted that runs scatter alike and none collapses" in text
    assert "3 seeds see no collapse in 73 % of studies" in text


def test_balanced_accuracy_counts_every_class_as_much() -> None:
    assert balanced_accuracy(classes("t", (90, 10), (90, 5), (95, 5))) == pytest.approx(0.75)
    assert balanced_accuracy(classes("t", (90, 10, 0), (45, 10, 0), (45, 55, 0))) == pytest.approx(0.75)
    assert balanced_accuracy([]) is None


def test_a_network_that_predicts_one_class_alone_is_named_on_the_first_page() -> None:
    alone = [
        *classes("u0", (950, 50), (940, 30), (960, 40)),
        *classes("s0", (950, 50), (950, 0), (1000, 0)),
        *classes("s1", (950, 50), (949, 1), (998, 2)),
    ]
    study = Findings(rows(epochs=(*epochs("u0", 970), *epochs("s0", 950), *epochs("s1", 950)), classes=alone))
    sentence = one_class_alone(study)
    assert sentence == (
        "One class alone is predicted, whatever the input, by `structured` at rate 0.5 in 1 of 2 runs (such as `a`: "
        "accuracy 95.0 %, balanced 50.0 %)."
    )
    assert sentence in warnings_of(study)
    assert "The test data is unbalanced: 95.0 % of it is `a`" in (unbalanced(study) or "")
    (balanced,) = [row.balanced for row in summary_info(study) if row.recipe is None]
    assert balanced is not None
    assert balanced.mean == pytest.approx((940 / 950 + 30 / 50) / 2)


def test_even_classes_are_not_called_unbalanced() -> None:
    study = grid(classes=classes("u0", (30, 35, 35), (30, 30, 30), (33, 33, 34)))
    assert not is_unbalanced(study)
    assert largest_class(study) == ("b", 0.35)
    assert unbalanced(Findings(replace(study.rows, classes=()))) is None


@pytest.mark.parametrize("sick", [float("nan"), float("inf"), -float("inf")])
def test_losses_that_are_no_numbers_change_nothing_in_what_is_read_of_accuracies(sick: float) -> None:
    tables = tuple(replace(row, train_loss=sick, test_loss=sick) for row in COLLAPSED)
    assert warnings_of(Findings(rows(THREE, epochs=tables))) == warnings_of(Findings(rows(THREE, epochs=COLLAPSED)))
