"""Means over seeds and ratios over rounds, each with a 95 % interval; tests of many at once; Pareto fronts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
BOOTSTRAP_SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean (or ratio) with its 95 % interval; `low` and `high` are None where `count` is too small for one."""

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return self.low is not None and self.high is not None

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def p_not_above(self, value: float) -> float:
        """One-sided p-value of the null hypothesis that the true mean is not above `value`; 1 without an interval.

        Student's t with the standard error that the interval was made of, its floor by the resolution included.
        """
        if self.half_width is None:
            return 1.0
        distance = self.mean - value
        error = self.half_width / t_quantile(self.count - 1)
        if error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.count - 1, -distance / error))

    def p_not_below(self, value: float) -> float:
        """The p-value of the null hypothesis that the true mean is not below `value`."""
        if self.half_width is None:
            return 1.0
        return Interval(-self.mean, -self.high, -self.low, self.count).p_not_above(-value)  # type: ignore[operator]

    @property
    def p_of_no_difference(self) -> float:
        """Two-sided p-value of the null hypothesis that the true mean is 0."""
        return min(1.0, 2 * min(self.p_not_above(0), self.p_not_below(0)))

    @property
    def p_of_ratio_one(self) -> float:
        """Two-sided p-value of the null hypothesis that the true ratio is 1: as `p_of_no_difference`, of its logarithm.

        >>> round(Interval(0.9, 0.8, 1.01, 30).p_of_ratio_one, 2), Interval(0.5, 0.49, 0.51, 30).p_of_ratio_one < 1e-6
        (0.07, True)
        """
        if self.low is None or self.high is None:
            return 1.0
        mean, low, high = (math.log(part) for part in (self.mean, self.low, self.high))
        return Interval(mean, low, high, self.count).p_of_no_difference

    def p_of_no_equivalence(self, margin: float) -> float:
        """p-value of the null hypothesis that the true mean is `margin` or more away from 0: two one-sided tests.

        Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", 1987.
        """
        return max(self.p_not_above(-margin), self.p_not_below(margin))


@cache
def t_quantile(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t.

    >>> round(t_quantile(2), 3)
    4.303
    """
    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def mean_interval(values: Iterable[float | None], resolution: float = 0.0) -> Interval | None:
    """Mean with its t interval; values that are missing or not finite are left out, None if none remains.

    Differences paired by seed go in as the differences. resolution: the smallest step that values can differ by; the
    interval reaches at least that far to either side, so that seeds that happen to agree do not claim certainty.

    >>> mean_interval([1.0, 2.0, 3.0])  # doctest: +ELLIPSIS
    Interval(mean=2.0, low=-0.484..., high=4.484..., count=3)
    """
    kept = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    if kept.size == 0:
        return None
    mean = float(kept.mean())
    if kept.size == 1:
        return Interval(mean, None, None, 1)
    half = max(t_quantile(kept.size - 1) * float(kept.std(ddof=1)) / kept.size**0.5, resolution * (1 + 1e-9))
    return Interval(mean, mean - half, mean + half, int(kept.size))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for their number, in the order given (Holm, 1979).

    Of all null hypotheses rejected at 0.05, one or more is true in at most 5 % of studies, however they depend on each
    other.

    >>> [round(p, 3) for p in holm([0.04, 0.01, 0.03])]
    [0.06, 0.03, 0.06]
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return tuple(corrected)


def mean_intervals(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, low and high of every column of `[seeds, epochs]`; NaN is a missing value, NaN bounds are no interval."""
    present = np.isfinite(table)
    count = present.sum(axis=0)
    values = np.where(present, table, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=0) / count
        variance = (np.where(present, table - mean, 0.0) ** 2).sum(axis=0) / (count - 1)
        quantile = np.array([t_quantile(int(n) - 1) if n > 1 else np.nan for n in count])
        half = quantile * np.sqrt(variance / count)
    return mean, mean - half, mean + half


@cache
def _resamples(count: int) -> NDArray[np.intp]:
    return np.random.default_rng(BOOTSTRAP_SEED).integers(0, count, (RESAMPLES, count))


def _medians(samples: Floats, rounds: NDArray[np.intp]) -> Floats:
    """Median of each resample; sorting rows is four times as fast as `np.median`."""
    chosen = np.sort(samples[rounds], axis=1)
    middle = (samples.size - 1) // 2, samples.size // 2
    median: Floats = (chosen[:, middle[0]] + chosen[:, middle[1]]) / 2
    return median


def ratio_interval(values: Sequence[float] | Floats, controls: Sequence[float] | Floats) -> Interval | None:
    """Ratio of medians of two variants that were timed in the same rounds, with a percentile bootstrap over rounds.

    Both are `[rounds]`, in the same order: a resample takes whole rounds, so drift that hits both cancels. The
    resamples are drawn with a fixed seed, so equal samples give an equal interval.

    >>> ratio_interval([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    Interval(mean=0.5, low=0.5, high=0.5, count=3)
    """
    value, control = np.asarray(values, dtype=np.float64), np.asarray(controls, dtype=np.float64)
    usable = np.isfinite(value) & np.isfinite(control) & (value > 0) & (control > 0)
    value, control = value[usable], control[usable]
    if value.size == 0:
        return None
    ratio = float(np.median(value) / np.median(control))
    if value.size == 1:
        return Interval(ratio, None, None, 1)
    # `scipy.stats.bootstrap` gives the same bounds in five times the time, half a second for its import apart.
    rounds = _resamples(int(value.size))
    ratios = _medians(value, rounds) / _medians(control, rounds)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(ratios, [tail, 100 - tail])
    return Interval(ratio, float(low), float(high), int(value.size))


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> tuple[int, ...]:
    """Indices of the points that no other point beats: none is as cheap and better, or cheaper and as good.

    In the order of cost; of points that are equal in both, the first.

    >>> pareto_front([1, 2, 3, 2], [5, 7, 6, 4])
    (0, 1)
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i], i))
    front: list[int] = []
    for i in order:
        if not front or values[i] > values[front[-1]]:
            front.append(i)
    return tuple(front)


def mean(values: Iterable[Any]) -> float | None:
    """Mean of the values that are there and finite; None if none is."""
    interval = mean_interval(values)
    return interval.mean if interval else None


def ratio(value: float | None, control: float | None) -> float | None:
    """`value / control`, None where either is missing or the control is not positive."""
    if value is None or control is None or not control > 0:
        return None
    return value / control
