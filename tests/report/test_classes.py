"""Accuracy ceilings of pruned output layers, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from prunus.report.classes import accuracy_ceiling, cut_off_info, never_predicted_info
from prunus.report.findings import Findings
from prunus.store import ClassRow

SVHN = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)


def rows(sizes: tuple[int, ...], empty: set[int]) -> list[ClassRow]:
    return [ClassRow("t", i, str(i), size, 0, 0, i in empty) for i, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        (set(), 1.0),
        ({0}, 1.0),  # the only empty class can still win by its bias
        ({0, 1}, 90 / 100),  # of 10 and 20 the larger can win
        ({0, 1, 2}, 70 / 100),
        ({0, 1, 2, 3}, 40 / 100),
    ],
)
def test_all_whole_classes_and_the_largest_empty_one_can_be_right(empty: set[int], expected: float) -> None:
    assert accuracy_ceiling(rows((10, 20, 30, 40), empty)) == expected


@pytest.mark.parametrize(("rate", "expected"), [(0.2, 0.939), (0.4, 0.808), (0.6, 0.654), (0.8, 0.466)])
def test_svhn_leaves_what_the_documentation_says(rate: float, expected: float) -> None:
    """docs/reference_experiment.md: the best case, in which the smallest classes go and one large one wins."""
    order = sorted(range(10), key=lambda index: SVHN[index])
    count = round(10 * rate)
    ceilings = [accuracy_ceiling(rows(SVHN, {*order[: count - 1], winner})) or 0 for winner in order[count - 1 :]]
    assert max(ceilings) == pytest.approx(expected, abs=0.0005)


def test_without_test_inputs_there_is_no_ceiling() -> None:
    assert accuracy_ceiling([]) is None
    assert accuracy_ceiling(rows((0, 0), {0})) is None


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans(), st.floats(-1, 1)), min_size=1, max_size=8))
def test_no_network_with_these_rows_beats_the_ceiling(classes: list[tuple[int, bool, float]]) -> None:
    """Whatever whole classes score: at best all of their inputs are right, and the best bias takes one empty class."""
    biases = [bias if empty else -2.0 for _, empty, bias in classes]
    winner = max(range(len(classes)), key=lambda index: biases[index])
    right = sum(size for index, (size, empty, _) in enumerate(classes) if not empty or index == winner)
    total = sum(size for size, _, _ in classes)
    ceiling = accuracy_ceiling(rows(tuple(s for s, _, _ in classes), {i for i, c in enumerate(classes) if c[1]}))
    assert ceiling is not None
    assert right / total <= ceiling <= 1


def test_the_made_study_cuts_off_classes_only_where_the_output_is_pruned(findings: Findings) -> None:
    assert {info.recipe for info in cut_off_info(findings)} == {"reference-structured"}
    by_rate = {info.rate: len(info.classes) for info in cut_off_info(findings)}
    assert by_rate == {0.2: 2, 0.4: 4, 0.6: 6, 0.8: 8}
    for info in cut_off_info(findings):
        assert info.of_classes == 10
        assert info.winner in info.classes
        assert info.ceiling is not None


def test_a_class_that_is_never_predicted_although_it_could_is_told(findings: Findings) -> None:
    control = findings.control.trials[0].trial
    classes = tuple(
        replace(row, predicted_count=0) if (row.trial, row.class_index) == (control, 3) else row
        for row in findings.rows.classes
    )
    changed = Findings(replace(findings.rows, classes=classes))
    assert [(info.recipe, info.seed, info.classes) for info in never_predicted_info(changed)] == [
        (None, 0, ("digit 3",))
    ]
    assert never_predicted_info(findings) == ()
