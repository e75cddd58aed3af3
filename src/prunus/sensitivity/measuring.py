"""Pruning each layer alone at several rates, and testing what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

import torch
from torch import Tensor, nn

from prunus.data import Dataset, Split
from prunus.errors import InputError
from prunus.graph.copying import fresh_copy
from prunus.prune import PATTERNS, UnitSet, apply_masks, protected_layers, prunable_layers
from prunus.prune.allocations.uniform import Uniform
from prunus.prune.criteria import CRITERIA, Criterion
from prunus.prune.criteria.scoring import check_defined, gather, unit_scores
from prunus.sensitivity.curves import Curve, Sensitivity
from prunus.spec import Part, make, part_of
from prunus.train import calibration_samples, evaluate
from prunus.train.prices import masks_of
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
    inputs: int = INPUTS,
    seed: int = 0,
    progress: Progress = lambda _done, _total: None,
) -> Sensitivity:
    """Prune each layer (or group of channels) alone at each rate, and test on so many training inputs; nothing learns.

    Test data are not looked at, since what is found decides how a network is pruned. The model is left as it is.
    criterion, pattern: by name, or as parts with settings. seed: of the inputs that are drawn, and of random criteria.

    Raises `InputError` for parts that are unknown or do not go together, for rates that cannot be had, and for a
    network that is no better than guessing.
    """
    twin = fresh_copy(model).eval()
    device = next(twin.parameters()).device
    parts = [part_of(one) for one in (pattern, criterion)]
    chosen = _checked_rates(rates)
    sets, scores = _scored(twin, dataset, parts[0], parts[1], chosen, tuple(protect), seed)
    split = _drawn(dataset, inputs, seed)
    total = 1 + len(sets) * len(chosen)

    def accuracy(done: int) -> float:
        tested = evaluate(twin, dataset, split, device)
        progress(done, total)
        return tested.correct / tested.total

    unpruned = accuracy(1)
    _refuse_guessing(unpruned, split)
    curves = []
    for number, (one, score) in enumerate(zip(sets, scores, strict=True)):
        found = []
        for step, rate in enumerate(chosen):
            before = _zero(twin, one, score, rate)
            found.append(accuracy(2 + number * len(chosen) + step))
            for name, value in before.items():
                twin.get_parameter(name).copy_(value)
        curves.append(Curve(name=one.name, units=one.units, accuracies=tuple(found)))
    return Sensitivity(
        pattern=parts[0],
        criterion=parts[1],
        protect=tuple(protect),
        rates=chosen,
        unpruned=unpruned,
        inputs=len(split),
        curves=tuple(curves),
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
    dataset: Dataset,
    pattern_part: Part,
    criterion_part: Part,
    rates: Sequence[float],
    protect: tuple[str, ...],
    seed: int,
) -> tuple[tuple[UnitSet, ...], list[Tensor]]:
    """The units of each layer that is not protected, and their scores."""
    pattern, criterion = make(PATTERNS, pattern_part), make(CRITERIA, criterion_part)
    _refuse_movement(criterion_part.name, criterion)
    for rate in rates:
        pattern.check_rate(rate)
    device = next(model.parameters()).device
    example = dataset.prepare(dataset.train.inputs[:2]).to(device)
    layers = prunable_layers(model, example)
    sets = pattern.unit_sets(model, example, layers, protected_layers(layers, protect))
    check_defined(criterion_part.name, criterion, pattern_part.name, sets)
    with torch.enable_grad():
        gathered = gather(criterion, model, sets, calibration_samples(dataset, seed), {})
    scores = [unit_scores(criterion, model, one, gathered, generator(seed, "criterion", one.name)) for one in sets]
    return sets, scores


def _refuse_movement(name: str, criterion: Criterion) -> None:
    if "movement" in criterion.needs:
        raise InputError(
            f"The criterion {name!r} cannot tell how sensitive layers are",
            "it gathers while a network trains, and here nothing is trained",
            "choose another criterion; `prunus list criteria` has them",
        )


def _drawn(dataset: Dataset, inputs: int, seed: int) -> Split:
    """So many training inputs, drawn by the seed."""
    if inputs < 1:
        raise InputError(f"Nothing can be tested on {inputs} inputs", "", "give 1 or more")
    order = torch.randperm(len(dataset.train), generator=generator(seed, "sensitivity"))[:inputs]
    return dataset.train.take(order.to(dataset.train.targets.device))


def _refuse_guessing(unpruned: float, split: Split) -> None:
    guessed = float(split.targets.bincount().max()) / len(split)
    if unpruned <= guessed:
        raise InputError(
            f"The network is no better than guessing: {100 * unpruned:.1f} % are right",
            f"the most frequent class alone makes up {100 * guessed:.1f} %, and what guesses has nothing to lose",
            "give the weights of a trained network",
        )


def _zero(model: nn.Module, one: UnitSet, score: Tensor, rate: float) -> dict[str, Tensor]:
    """Prune one set of units; returns its parameters as they were."""
    count = one.rounded(Uniform().counts([one], [score], rate)[0])
    masks = masks_of([one], {one.name: one.lowest(score, count)})
    before = {name: model.get_parameter(name).clone() for name in masks}
    apply_masks(model, masks)
    return before
