"""Cutting samples off, class by class."""

from __future__ import annotations

import torch
from torch import Tensor

from prunus.data.dataset import Split
from prunus.errors import InputError


def cut(split: Split, share: float, generator: torch.Generator) -> tuple[Split, Split]:
    """Cut a share of the samples off, of each class in proportion: (kept, cut off), both in their old order.

    round(share · n) samples are cut off, at least one and never all; which ones the generator decides.
    """
    samples = len(split)
    if not 0 < share < 1 or samples < 2:
        raise InputError(f"A share of {share} of {samples} samples cannot be cut off", "", "give one between 0 and 1")
    wanted = min(max(round(share * samples), 1), samples - 1)
    counts = proportional_counts(torch.bincount(split.targets).tolist(), wanted)
    away = choose(split.targets, counts, torch.randperm(samples, generator=generator))
    return split.take(~away), split.take(away)


def limited(split: Split, limit: int | None, name: str) -> Split:
    """A subset of `limit` samples, of every class equally many (as far as it has them); always the same ones."""
    if limit is None:
        return split
    if limit > len(split):
        raise InputError(f"{name} cannot give {limit} samples", f"it has {len(split)}", "lower the limit")
    counts = balanced_counts(torch.bincount(split.targets).tolist(), limit)
    return split.take(choose(split.targets, counts, fixed_order(len(split))))


def fixed_order(samples: int) -> Tensor:
    """A shuffled order that no version of any library changes: NumPy keeps the streams of `RandomState` for ever."""
    import numpy

    return torch.from_numpy(numpy.random.RandomState(0).permutation(samples))


def choose(targets: Tensor, counts: list[int], order: Tensor) -> Tensor:
    """A mask (n,) of the first `counts[c]` samples of each class c, first by `order`."""
    chosen = torch.zeros(len(targets), dtype=torch.bool)
    ordered = targets[order]
    for index, count in enumerate(counts):
        chosen[order[ordered == index][:count]] = True
    return chosen


def proportional_counts(sizes: list[int], total: int) -> list[int]:
    """Share `total` among classes in proportion to their sizes, by the largest remainder, the first class first.

    >>> proportional_counts([50, 30, 21], 10)
    [5, 3, 2]
    """
    samples = sum(sizes)
    counts = [size * total // samples for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda index: -(sizes[index] * total % samples))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def balanced_counts(sizes: list[int], total: int) -> list[int]:
    """Share `total` among classes equally; what a small class cannot give, the others do, the first class first.

    >>> balanced_counts([50, 1, 50], 10)
    [5, 1, 4]
    """
    counts = [0] * len(sizes)
    for rest, index in enumerate(sorted(range(len(sizes)), key=lambda each: (sizes[each], -each))):
        open_classes = len(sizes) - rest
        counts[index] = min(sizes[index], (total - sum(counts)) // open_classes)
    return counts
