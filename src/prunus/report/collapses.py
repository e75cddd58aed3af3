"""Runs that ended far below the other seeds of their recipe and rate: outliers to be named, not averaged away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from prunus.report.classes import largest_class
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.metric import StudyMetric
from prunus.store.rows import TrialRow

LEAST_FALL = 0.1
"""A run that ends less than ten points below the best of its cell did not collapse."""

MARGINS_OF_FALL, SHARE_OF_FALL = 10, 0.5
"""Where the metric is no share, so many margins, and this share of the unpruned value, take the place of ten points."""

NEAR_CHANCE = 0.1
"""How much of the way from chance to the best run of its cell still counts as chance."""

TIMES_THE_RANGE = 3.0
"""How far below the lowest of the others, in ranges of the others, is far."""


@dataclass(frozen=True)
class CollapseInfo:
    """One run that collapsed, and the median of the seeds that did not."""

    recipe: str | None
    rate: float
    seed: int
    metric: float
    others: float


@once_per_study
def collapses_info(findings: Findings) -> tuple[CollapseInfo, ...]:
    """The runs that collapsed, in the order of the study. A cell all of whose runs end low has no outlier."""
    return tuple(one for cell in findings.all_cells for one in _of_cell(findings, cell))


@once_per_study
def not_finite_info(findings: Findings) -> tuple[TrialRow, ...]:
    """The finished trials whose metric is no finite number at the end, in the order of the study."""
    return tuple(
        trial
        for cell in findings.all_cells
        for trial in cell.finished
        if trial.trial in findings.series and trial.trial not in findings.final_metric
    )


def _of_cell(findings: Findings, cell: Cell) -> list[CollapseInfo]:
    metric, largest = findings.metric, largest_class(findings)
    chance = largest[1] if largest and metric.is_accuracy else None
    least = LEAST_FALL if metric.is_share else _least_fall(metric)
    ended = [(t.seed, findings.final_metric[t.trial]) for t in cell.finished if t.trial in findings.final_metric]
    gains = [metric.gain(value) for _, value in ended]
    low = [
        index
        for index, gain in enumerate(gains)
        if has_collapsed(gain, [*gains[:index], *gains[index + 1 :]], chance, least)
    ]
    rest = [value for index, (_, value) in enumerate(ended) if index not in low]
    return [CollapseInfo(cell.recipe, cell.rate, *ended[index], median(rest)) for index in low]


def _least_fall(metric: StudyMetric) -> float:
    return max(MARGINS_OF_FALL * metric.margin or math.inf, SHARE_OF_FALL * abs(metric.unpruned or 0.0))


def has_collapsed(gain: float, others: Sequence[float], chance: float | None, least: float = LEAST_FALL) -> bool:
    """Whether a run is an outlier beside the others of its cell: near chance, or far below the lowest of them.

    More is better. chance: what a network reaches that always predicts the largest class; None where that is not known.
    least: how far below the best it is at least.

    >>> has_collapsed(0.11, [0.96], 0.1), has_collapsed(0.6, [0.96, 0.97], 0.1), has_collapsed(0.9, [0.96, 0.97], 0.1)
    (True, True, False)
    """
    if not others or max(others) - gain < least:
        return False
    if chance is not None and gain <= chance + NEAR_CHANCE * (max(others) - chance):
        return True
    spread = max(others) - min(others)
    return len(others) > 1 and min(others) - gain > max(TIMES_THE_RANGE * spread, least)
