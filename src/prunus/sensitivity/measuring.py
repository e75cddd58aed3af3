"""Pruning each layer alone at several rates, and testing what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from prunus.channels.cost_model import masks_of
from prunus.data import Dataset, Split
from prunus.errors import InputError
from prunus.prune import PATTERNS, UnitSet, apply_masks, protected_layers, prunable_layers
from prunus.prune.allocations.uniform import Uniform
from prunus.prune.criteria import CRITERIA, Criterion
from prunus.prune.criteria.scoring import check_defined, gather, gathers_while_training, unit_scores
from prunus.prune.evidence import Samples
from prunus.sensitivity.suggestion import Curve, Sensitivity
from prunus.spec import Part, make, part_of
from prunus.spec.trial import CLASSIFICATION
from prunus.tasks import Classification, Task, task_of
from prunus.tasks.batch import example_inputs
from prunus.trace.copying import fresh_copy
from prunus.train import calibration_samples, evaluate
from prunus.train.seeds import generator

RATES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
INPUTS = 1000
Progress = Callable[[int, int], None]
"""(tests done, tests in all)"""


@torch.no_grad()
def measure_sensitivity(
    model: nn.Module,
    dataset: Dataset,
    *,
    rates: Sequence[float] = RATES,
    pattern: str | Part = "element",
    criterion: str | Part = "magnitude",
    protect: Sequence[str] = ("output",),
    task: str | Part | Task = CLASSIFICATION,
    inputs: int = INPUTS,
    seed: int = 0,
    progress: Progress = lambda _done, _total: None,
) -> Sensitivity:
    """Prune each layer (or group of channels) alone at each rate, and test on training inputs; nothing learns.

    Test data are not looked at, since what is found decides how a network is pruned.

    Args:
        model: the trained network; it is left as it is.
        dataset: its training data are tested on.
        rates: at which each layer is pruned, between 0 and 1.
        pattern: what is removed, by name or as a part with settings.
        criterion: what scores it, by name or as a part with settings.
        protect: layers that are not pruned, by name or shell pattern.
        task: whose metric is measured, by name, as a part with settings, or itself.
        inputs: how many training inputs are tested on.
        seed: of the inputs that are drawn, and of criteria that draw numbers.
        progress: is called with the number of tests done and in all.

    Returns:
        A curve a layer: the metric (accuracy as a share) at each rate.

    Raises:
        InputError: parts are unknown or do not go together, rates cannot be had, the unpruned network's metric is no
            finite number, or a classifier is no better than guessing.

    Example:
        >>> split = Split(torch.eye(2).repeat(50, 1), torch.arange(100) % 2)
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
        >>> model[0].weight = nn.Parameter(torch.diag(torch.tensor([2.0, 1.0])))
        >>> model[2].weight = nn.Parameter(torch.eye(2))
        >>> found = measure_sensitivity(model, Dataset("pairs", split, split, ("a", "b")), rates=[0.5, 0.75])
        >>> found.unpruned, found.curves[0].name, found.curves[0].values
        (1.0, '0', (1.0, 0.5))
    """
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"An object of type {type(dataset).__name__} is no data set",
            "sensitivity is measured on a prunus.Dataset",
            "make one of two splits: Dataset(name, train, test, classes)",
        )
    clone = fresh_copy(model).eval()
    device = next(clone.parameters()).device
    parts = [part_of(one) for one in (pattern, criterion)]
    chosen = _checked_rates(rates)
    chosen_task = task if isinstance(task, Task) else task_of(part_of(task))
    example = example_inputs(dataset, chosen_task, dataset.in_memory)
    samples = calibration_samples(dataset, seed, task=chosen_task)
    sets, scores = _scored(clone, example, samples, parts[0], parts[1], chosen, tuple(protect), seed)
    split = _drawn(dataset, inputs, seed)
    total = 1 + len(sets) * len(chosen)

    def measured(done: int) -> float | None:
        tested = evaluate(clone, dataset, split, device, chosen_task)
        progress(done, total)
        return tested.metric if math.isfinite(tested.metric) else None

    unpruned = _worth_pruning(measured(1), split, chosen_task)
    curves = []
    for number, (one, score) in enumerate(zip(sets, scores, strict=True)):
        found = []
        for step, rate in enumerate(chosen):
            before = _zero(clone, one, score, rate)
            found.append(measured(2 + number * len(chosen) + step))
            for name, value in before.items():
                clone.get_parameter(name).copy_(value)
        curves.append(Curve(name=one.name, units=one.units, values=tuple(found)))
    return Sensitivity(
        pattern=parts[0],
        criterion=parts[1],
        protect=tuple(protect),
        rates=chosen,
        unpruned=unpruned,
        inputs=len(split),
        curves=tuple(curves),
        metric=chosen_task.metric,
    )


def _checked_rates(rates: Sequence[float]) -> tuple[float, ...]:
    numbers = all(isinstance(rate, Real) and not isinstance(rate, bool) and 0 < rate < 1 for rate in rates)
    chosen = tuple(sorted(set(rates))) if numbers else ()
    if not chosen:
        raise InputError(
            f"Layers cannot be pruned at the rates {list(rates)}", "each is the share that goes", "give 0 < rate < 1"
        )
    return chosen


def _scored(
    model: nn.Module,
    example: Any,
    samples: Samples,
    pattern_part: Part,
    criterion_part: Part,
    rates: Sequence[float],
    protect: tuple[str, ...],
    seed: int,
) -> tuple[tuple[UnitSet, ...], list[Tensor]]:
    """The units of each layer that is not protected, and their scores."""
    pattern, criterion = make(PATTERNS, pattern_part), make(CRITERIA, criterion_part)
    _refuse_gathering(criterion_part.name, criterion)
    for rate in rates:
        pattern.check_rate(rate)
    device = next(model.parameters()).device
    example = tree_map_only(Tensor, lambda tensor: tensor.to(device), example)
    layers = prunable_layers(model, example)
    sets = pattern.unit_sets(model, example, layers, protected_layers(layers, protect))
    check_defined(criterion_part.name, criterion, pattern_part.name, sets)
    with torch.enable_grad():
        gathered = gather(criterion, model, sets, samples, {})
    scores = [unit_scores(criterion, model, one, gathered, generator(seed, "criterion", one.name)) for one in sets]
    return sets, scores


def _refuse_gathering(name: str, criterion: Criterion) -> None:
    if gathers_while_training(criterion):
        raise InputError(
            f"The criterion {name!r} cannot tell how sensitive layers are",
            "it gathers while a network trains, and here nothing is trained",
            "choose another criterion; `prunus list criteria` has them",
        )


def _drawn(dataset: Dataset, inputs: int, seed: int) -> Split:
    """So many training inputs, drawn by the seed."""
    if inputs < 1:
        raise InputError(f"Nothing can be tested on {inputs} inputs", "", "give 1 or more")
    train = dataset.in_memory
    return train.take(torch.randperm(len(train), generator=generator(seed, "sensitivity"))[:inputs])


def _worth_pruning(unpruned: float | None, split: Split, task: Task) -> float:
    """The unpruned network's metric. Raises `InputError` where it is no number, or a classifier guesses."""
    if unpruned is None:
        name = task.metric.name
        what = f"The {name} of the network is no finite number"
        raise InputError(
            what, "what no network of this kind has cannot be lost", "give the weights of a trained network"
        )
    guessed = float(split.targets.bincount().max()) / len(split) if isinstance(task, Classification) else None
    if guessed is not None and unpruned <= guessed:
        raise InputError(
            f"The network is no better than guessing: {100 * unpruned:.1f} % are right",
            f"the most frequent class alone makes up {100 * guessed:.1f} %, and what guesses has nothing to lose",
            "give the weights of a trained network",
        )
    return unpruned


def _zero(model: nn.Module, one: UnitSet, score: Tensor, rate: float) -> dict[str, Tensor]:
    """Prune one set of units; returns its parameters as they were."""
    count = one.rounded(Uniform().counts([one], [score], rate)[0])
    masks = masks_of([one], {one.name: one.lowest(score, count)})
    before = {name: model.get_parameter(name).clone() for name in masks}
    apply_masks(model, masks)
    return before
