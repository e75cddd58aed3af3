"""Which inputs train, which choose, and which are looked at once, in the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from prunus.compress.judging import Judged, factor_of
from prunus.data import Dataset
from prunus.data.dataset import AnySplit
from prunus.errors import InputError
from prunus.spec import Metric
from prunus.train.seeds import generator

SHARE, MOST, ENOUGH, LARGEST_SHARE = 0.1, 10_000, 2000, 0.3
"""Validation inputs are a tenth of the training inputs; more where that is less than 2,000, but no more than 30 %."""


@dataclass(frozen=True)
class Splits:
    """The data as they are used.

    data: `train` to train on, `test` to choose by. unpruned: how good the network as it was is on the latter.
    test: looked at once, in the end. how: where the inputs to choose by come from.
    """

    data: Dataset
    unpruned: Judged
    test: AnySplit
    how: str


def split(dataset: Dataset, seed: int, metric: Metric, margin: float, judged: Callable[[AnySplit], Judged]) -> Splits:
    """The inputs to choose by: the data's own validation inputs, or some that are cut from the training data at random.

    A network that was trained on them already is better there than on what it has not seen, so that no honest training
    could keep that up. Where it is, by more than a quarter of the margin, a half of the test data chooses, and only
    the other half is kept for the end.

    judged: tells how good the unpruned network is on a split. Raises `InputError` for a split that is empty, or a
    metric that is not finite.
    """
    for name, one in (("training", dataset.train), ("test", dataset.test), ("validation", dataset.validation)):
        if one is not None and not len(one):
            raise InputError(f"The {name} data of {dataset.name!r} are empty", "", "give at least some inputs")
    if dataset.validation is not None:
        unpruned = _finite(judged(dataset.validation), metric)
        data = replace(dataset, test=dataset.validation)
        return Splits(data, unpruned, dataset.test, f"the {len(dataset.validation):,} validation inputs")
    chosen, rest = _cut(dataset.train, _validation_count(len(dataset.train)), seed)
    own, tested = _finite(judged(chosen), metric), _finite(judged(dataset.test), metric)
    seen_before = factor_of(metric, tested.value) * (own.value - tested.value)
    if seen_before <= margin / 4 or len(dataset.test) < 2:
        data = replace(dataset, train=rest, test=chosen)
        return Splits(data, own, dataset.test, f"{len(chosen):,} inputs that were cut from the training data")
    judge, test = _cut(dataset.test, len(dataset.test) // 2, seed)
    how = (
        f"{len(judge):,} inputs, a half of the test data: on the training data the network is better by "
        f"{seen_before:.2g} {'points' if metric.unit == '%' else metric.unit}, so it was trained on them"
    )
    return Splits(replace(dataset, test=judge), _finite(judged(judge), metric), test, how)


def _finite(judged: Judged, metric: Metric) -> Judged:
    """What was judged. Raises `InputError` for a metric that is NaN or infinite."""
    if not math.isfinite(judged.value):
        raise InputError(
            f"The {metric.name} of the unpruned network is {judged.value}",
            "its outputs are not finite, or the metric is not defined for these targets",
            "look at the weights, the data and the task",
        )
    return judged


def _validation_count(count: int) -> int:
    """How many of so many training inputs choose.

    >>> [_validation_count(count) for count in (3, 1437, 10_000, 60_000, 1_000_000)]
    [1, 431, 2000, 6000, 10000]
    """
    wanted = min(max(SHARE * count, min(ENOUGH, LARGEST_SHARE * count)), MOST)
    return max(1, int(wanted))


def _cut(split: AnySplit, count: int, seed: int) -> tuple[AnySplit, AnySplit]:
    """So many inputs at random, and the others."""
    import torch

    order = torch.randperm(len(split), generator=generator(seed, "validation"))
    return split.take(order[:count].sort().values), split.take(order[count:].sort().values)
