"""Many differences paired by seed, read at once: lower, higher, equivalent within the margin, or not shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import stdtrit

from prunus.report.findings import Cell, Findings
from prunus.report.statistics import CONFIDENCE, Interval, holm, mean_interval

LEVEL = 1 - CONFIDENCE
Reading = Literal["lower", "higher", "equivalent", "not shown", "one seed, no interval", "not measured"]


@dataclass(frozen=True)
class Comparison:
    """One difference, and what can be said of it beside all others of the same family.

    difference: its mean and its own 95 % interval, not corrected. p_difference, p_equivalence: p-values of no
    difference and of no equivalence, corrected for the family's size by Holm's method; None without an interval.
    """

    difference: Interval | None
    reading: Reading
    p_difference: float | None = None
    p_equivalence: float | None = None


@dataclass(frozen=True)
class PairedDifference:
    """Differences of two cells, seed by seed: their mean, and the p-value of no equivalence within the margin."""

    interval: Interval
    p_of_no_equivalence: float


def compared(differences: Sequence[PairedDifference | None]) -> tuple[Comparison, ...]:
    """Read a family of differences at once, so that any false `lower` or `higher` comes in 5 % of studies at most.

    The same holds for any false `equivalent`. What is equivalent within the margin is read so even where a difference
    is shown, too: the margin is what counts as none.
    """
    known = [one for one in differences if one is not None and one.interval.known]
    different = iter(holm([one.interval.p_of_no_difference for one in known]))
    equivalent = iter(holm([one.p_of_no_equivalence for one in known]))
    found = []
    for one in differences:
        if one is None:
            found.append(Comparison(None, "not measured"))
        elif not one.interval.known:
            found.append(Comparison(one.interval, "one seed, no interval"))
        else:
            p_difference, p_equivalence = next(different), next(equivalent)
            reading = _reading(one.interval, p_difference, p_equivalence)
            found.append(Comparison(one.interval, reading, p_difference, p_equivalence))
    return tuple(found)


def _reading(difference: Interval, p_difference: float, p_equivalence: float) -> Reading:
    if p_equivalence < LEVEL:
        return "equivalent"
    if p_difference < LEVEL:
        return "lower" if difference.mean < 0 else "higher"
    return "not shown"


def paired_difference(findings: Findings, cell: Cell, other: Cell) -> PairedDifference | None:
    """The final metric of one cell less that of another, over the seeds that both have.

    A margin that is relative to the unpruned network is known no better than that network's value, which seeds scatter.
    It is added to and taken from the difference of each seed, and the sums are tested against 0.
    """
    others = {trial.seed: findings.final_metric.get(trial.trial) for trial in other.finished}
    differences, margins = [], []
    for trial in cell.finished:
        own, of_other = findings.final_metric.get(trial.trial), others.get(trial.seed)
        if own is not None and of_other is not None:
            differences.append(own - of_other)
            margins.append(_margin(findings, trial.seed))
    interval = mean_interval(differences, findings.resolution)
    if interval is None:
        return None
    if not findings.metric.metric.relative:
        return PairedDifference(interval, interval.p_of_no_equivalence(findings.metric.margin))
    pairs = list(zip(differences, margins, strict=True))
    lowest = mean_interval((difference + margin for difference, margin in pairs), findings.resolution)
    highest = mean_interval((difference - margin for difference, margin in pairs), findings.resolution)
    assert lowest is not None
    assert highest is not None
    return PairedDifference(interval, max(lowest.p_not_above(0), highest.p_not_below(0)))


def _margin(findings: Findings, seed: int) -> float:
    """The margin beside the unpruned network of a seed, of all seeds where that one is not there."""
    control, metric = findings.control_by_seed.get(seed), findings.metric
    unpruned = findings.final_metric.get(control.trial) if control else None
    return metric.margin if unpruned is None else replace(metric, unpruned=unpruned).margin


def largest_spread(margin: float, seeds: int, family: int) -> float:
    """Standard deviation over seeds above which equivalence cannot be shown, even where the mean difference is 0.

    It is the smallest p-value of a family of so many comparisons that has to be shown first.

    >>> round(largest_spread(0.01, 3, 20), 5), round(largest_spread(0.01, 10, 20), 5)
    (0.00123, 0.00857)
    """
    quantile = float(stdtrit(seeds - 1, 1 - LEVEL / max(family, 1)))
    return margin * math.sqrt(seeds) / quantile
