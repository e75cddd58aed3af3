"""Intervals and fronts, with numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from prunus.report.statistics import Interval, mean_interval, mean_intervals, pareto_front, ratio_interval, t_quantile

numbers = st.floats(-1e6, 1e6)


def test_the_interval_of_three_values_is_students() -> None:
    interval = mean_interval([1.0, 2.0, 3.0])
    assert interval is not None
    half = 4.302652729911275 * 1.0 / 3**0.5  # t(0.975, 2) times the standard error
    assert (interval.mean, interval.count) == (2.0, 3)
    assert interval.low == pytest.approx(2 - half)
    assert interval.high == pytest.approx(2 + half)


def test_one_value_has_no_interval() -> None:
    assert mean_interval([0.5]) == Interval(0.5, None, None, 1)


def test_nothing_has_no_mean() -> None:
    assert mean_interval([None, float("nan")]) is None


def test_missing_values_are_left_out() -> None:
    assert mean_interval([1.0, None, float("inf"), 3.0]) == mean_interval([1.0, 3.0])


def test_seeds_that_agree_do_not_claim_certainty() -> None:
    interval = mean_interval([-1 / 360] * 3, resolution=1 / 360)
    assert interval is not None
    assert interval.high is not None
    assert interval.high >= 0
    assert interval.half_width == pytest.approx(1 / 360)


def test_resolution_does_not_widen_a_wide_interval() -> None:
    assert mean_interval([1.0, 2.0, 3.0], resolution=0.1) == mean_interval([1.0, 2.0, 3.0])


@pytest.mark.parametrize(("degrees", "expected"), [(1, 12.7062), (2, 4.3027), (9, 2.2622)])
def test_quantiles_are_those_of_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(degrees) == pytest.approx(expected, abs=1e-4)


@given(st.lists(numbers, min_size=2, max_size=6), numbers)
def test_an_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    before, after = mean_interval(values), mean_interval([value + shift for value in values])
    assert before is not None
    assert after is not None
    assert after.mean == pytest.approx(before.mean + shift, abs=1e-6)
    assert after.half_width == pytest.approx(before.half_width, rel=1e-6, abs=1e-6)


def test_columns_have_the_intervals_of_their_values() -> None:
    table = np.array([[1.0, 5.0], [2.0, np.nan], [3.0, np.nan]])
    mean, low, high = mean_intervals(table)
    expected = mean_interval([1.0, 2.0, 3.0])
    assert expected is not None
    assert mean.tolist() == [2.0, 5.0]
    assert (low[0], high[0]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert np.isnan(low[1])
    assert np.isnan(high[1])


def test_a_ratio_is_that_of_the_medians() -> None:
    interval = ratio_interval([1.0, 2.0, 9.0], [4.0, 4.0, 4.0])
    assert interval is not None
    assert interval.mean == 0.5
    assert interval.count == 3


def test_drift_that_hits_both_variants_cancels() -> None:
    drift = np.linspace(1, 3, 40)
    interval = ratio_interval(0.5 * drift, drift)
    assert interval == Interval(0.5, 0.5, 0.5, 40)


def test_equal_samples_give_an_equal_interval() -> None:
    random = np.random.default_rng(1)
    own, control = random.normal(1, 0.1, 40), random.normal(1, 0.1, 40)
    assert ratio_interval(own, control) == ratio_interval(own, control)


def test_intervals_and_p_values_are_those_of_scipy() -> None:
    random = np.random.default_rng(3)
    values, own, control = random.normal(0.3, 1, 5), random.lognormal(0, 0.1, 40), random.lognormal(0, 0.1, 40)
    mean, test = mean_interval(values), stats.ttest_1samp(values, 0)
    assert mean is not None
    assert (mean.low, mean.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert mean.p_of_no_difference == pytest.approx(test.pvalue)
    ratio = ratio_interval(own, control)
    assert ratio is not None
    expected = stats.bootstrap(
        (own, control),
        lambda one, other, axis: np.median(one, axis=axis) / np.median(other, axis=axis),
        n_resamples=2000,
        paired=True,
        method="percentile",
        random_state=0,
    ).confidence_interval
    assert (ratio.low, ratio.high) == pytest.approx(tuple(expected), rel=0.01)


def test_the_bootstrap_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        interval = ratio_interval(random.normal(0.8, 0.05, 40), random.normal(1.0, 0.05, 40))
        assert interval is not None
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.8 <= interval.high
    assert 0.90 <= covered / 200 <= 1.0


def test_samples_that_are_no_times_are_left_out() -> None:
    assert ratio_interval([1.0, float("nan"), 0.0], [2.0, 2.0, 2.0]) == Interval(0.5, None, None, 1)
    assert ratio_interval([], []) is None


def test_the_front_holds_what_nothing_beats() -> None:
    # cheap and poor, dear and good are on it; dear and poor is not, nor the dearer of two equally good
    assert pareto_front([1, 4, 4, 2, 9], [0.5, 0.9, 0.7, 0.5, 0.9]) == (0, 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=25))
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(points: list[tuple[int, int]]) -> None:
    front = pareto_front([x for x, _ in points], [y for _, y in points])
    for index, (x, y) in enumerate(points):
        beaten = any(points[i][0] <= x and points[i][1] >= y and points[i] != (x, y) for i in front)
        same = any(points[i] == (x, y) for i in front)
        assert beaten or same, index
        assert not (beaten and index in front)
