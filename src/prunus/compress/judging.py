"""Is a network as good as another? Their difference in the task's metric, with an interval, against the margin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunus.data import Dataset
from prunus.report.statistics import Interval, t_quantile
from prunus.spec import Metric
from prunus.spec.part import Frozen
from prunus.tasks import Measure, Task
from prunus.train import Batch

GROUPS = 40
"""Into so many groups inputs are divided for an interval."""


@dataclass(frozen=True)
class Judged:
    """The metric of a network on some inputs, and without each group of them in turn."""

    value: float
    without: tuple[float, ...]


class Difference(Frozen):
    """How much better a network is than another, in the unit in which the metric is shown; negative is worse.

    low, high: its 95 % interval; both the mean where there are too few inputs for one.
    """

    mean: float
    low: float
    high: float

    def is_within(self, margin: float) -> bool:
        """Whether the network is shown to be worse by no more than the margin."""
        return self.low >= -margin

    @property
    def interval(self) -> Interval:
        """As tables show it."""
        return Interval(self.mean, self.low, self.high, GROUPS)


@torch.inference_mode()
def judge(model: nn.Module, batches: Iterable[Batch], task: Task, dataset: Dataset) -> Judged:
    """Run a network over the batches, in evaluation mode; groups are of every so many batches.

    A metric such as mean IoU is no mean over inputs, so that its interval is found by leaving out one group after the
    other (the jackknife; Efron and Stein, "The jackknife estimate of variance", 1981).
    """
    training = model.training
    model.eval()
    all_of_them, groups = _measure(task, dataset), [_measure(task, dataset) for _ in range(GROUPS)]
    count = 0
    for count, (inputs, targets) in enumerate(batches, 1):
        found, wanted = task.measured(task.run(model, inputs, targets), targets)
        all_of_them.update(found, wanted)
        for place, group in enumerate(groups):
            if place != (count - 1) % GROUPS:
                group.update(found, wanted)
    model.train(training)
    without = tuple(_value(group) for group in groups[: count if 1 < count < GROUPS else GROUPS]) if count > 1 else ()
    return Judged(_value(all_of_them), without)


def _measure(task: Task, dataset: Dataset) -> Measure:
    return next(iter(task.measures(dataset).values()))


def _value(measure: Any) -> float:
    """The number that a measure comes to; the first of several."""
    value = measure.compute()
    value = next(iter(value.values())) if isinstance(value, dict) else value
    return float(value.flatten()[0] if isinstance(value, Tensor) else value)


def difference(pruned: Judged, unpruned: Judged, metric: Metric) -> Difference:
    """How much better one of two networks is on the same batches, in the unit shown; in percent if that is relative."""
    factor = factor_of(metric, unpruned.value)
    mean = factor * (pruned.value - unpruned.value)
    each = [factor * (one - other) for one, other in zip(pruned.without, unpruned.without, strict=True)]
    half = half_width(each)
    return Difference(mean=mean, low=mean - half, high=mean + half)


def factor_of(metric: Metric, unpruned: float) -> float:
    """What differences of values are multiplied with to be in the unit shown, and positive where they are better.

    unpruned: the value of which a relative difference is a percentage.
    """
    size = 100 / abs(unpruned) if metric.relative else metric.scale
    return size if metric.higher_is_better else -size


def in_words(lost: Difference, metric: Metric) -> str:
    """A difference with its interval, such as `accuracy -0.30 points [-0.61, 0.01]`."""
    unit = "%" if metric.relative else "points" if metric.unit == "%" else metric.unit
    return f"{metric.name} {lost.mean:+.2f} {unit} [{lost.low:+.2f}, {lost.high:+.2f}]".replace("  ", " ")


def half_width(without: Sequence[float]) -> float:
    """Half of the 95 % interval, from the values without each group in turn; 0 where there is one group alone."""
    count = len(without)
    if count < 2:
        return 0.0
    centre = sum(without) / count
    variance = (count - 1) / count * sum((value - centre) ** 2 for value in without)
    return t_quantile(count - 1) * math.sqrt(variance)


def of_halves(unpruned: Judged, metric: Metric) -> float:
    """By how much the network itself differs between two halves of the inputs, in the mean, in the unit shown."""
    each = [metric.scale * value for value in unpruned.without]
    if metric.relative:
        each = [100 * value / unpruned.value for value in unpruned.without]
    if len(each) < 2:
        return 0.0
    deviation = half_width(each) / t_quantile(len(each) - 1)
    return 2 * math.sqrt(2 / math.pi) * deviation
