"""From a criterion and what it needs to the scores of units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from prunus.errors import InputError, NotFiniteError
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.evidence import EVIDENCE, Collected, Gathering, Samples, collect
from prunus.prune.precision import sum_type, widened
from prunus.prune.units import UnitSet


def check_defined(name: str, criterion: Criterion, pattern: str, unit_sets: Iterable[UnitSet]) -> None:
    """Raises `InputError` where a criterion says nothing about a pattern, or about a layer of this network."""
    if criterion.patterns and pattern not in criterion.patterns:
        raise InputError(
            f"The criterion '{name}' is not defined for the pattern '{pattern}'",
            f"it scores {' and '.join(criterion.patterns)} patterns",
            f"set the pattern to '{criterion.patterns[-1]}', or choose another criterion",
        )
    missing = [one.name for one in unit_sets if not one.role(criterion.reads)]
    if missing:
        what = {"scales": "no normalisation with a scale makes its channels", "readers": "no layer reads its channels"}
        raise InputError(
            f"The criterion '{name}' cannot score {missing[0]!r}",
            what.get(criterion.reads, "nothing of it has a weight"),
            f"protect it (protect = {['output', *missing]}), or choose another criterion",
        )


def needs_samples(criterion: Criterion) -> bool:
    """Whether evidence of the criterion is collected on data."""
    return any(EVIDENCE.get(kind).from_data for kind in criterion.needs)


def gathers_while_training(criterion: Criterion) -> bool:
    """Whether evidence of the criterion gathers step by step, so that it has none without a training."""
    return any(EVIDENCE.get(kind).while_training is not None for kind in criterion.needs)


def gatherings(criterion: Criterion, model: nn.Module, unit_sets: Iterable[UnitSet]) -> dict[str, Gathering]:
    """What gathers such evidence, by kind, from now on."""
    names = scored_names(criterion, unit_sets)
    kinds = {kind: EVIDENCE.get(kind).while_training for kind in criterion.needs}
    return {kind: begin(model, names) for kind, begin in kinds.items() if begin is not None}


def needed(criterion: Criterion) -> str:
    """What a criterion needs, in words, such as `input norms`."""
    return " and ".join(criterion.needs).replace("_", " ")


def gather(
    criterion: Criterion, model: nn.Module, unit_sets: Sequence[UnitSet], samples: Samples, while_training: Collected
) -> Collected:
    """Everything that a criterion needs, each kind once. while_training: what has gathered step by step."""
    names = scored_names(criterion, unit_sets)
    at_once = (kind for kind in criterion.needs if kind not in while_training)
    return {**while_training, **{kind: collect(EVIDENCE.get(kind), model, names, samples) for kind in at_once}}


def scored_names(criterion: Criterion, unit_sets: Iterable[UnitSet]) -> list[str]:
    """The parameters that a criterion is given."""
    return list(dict.fromkeys(name for one in unit_sets for name in one.role(criterion.reads)))


def unit_scores(
    criterion: Criterion, model: nn.Module, one: UnitSet, gathered: Collected, draws: torch.Generator
) -> Tensor:
    """(units,): summed over the parameters of a set. Raises `NotFiniteError` where one of them is NaN or infinite."""
    scores = []
    for name, arrange in one.role(criterion.reads).items():
        collected = {kind: arrange(tensors[name]) for kind, tensors in gathered.items()}
        weights = arrange(model.get_parameter(name).detach())
        weights = widened(weights.abs() if weights.is_complex() else weights)
        score = criterion.score(Evidence(weights, draws, collected))
        if not score.isfinite().all():
            raise _not_finite(criterion, one.name, {f"the weights of {name!r}": weights, **_said(collected)})
        scores.append(score)
    if len(scores) == 1:
        return scores[0]
    if not criterion.additive:
        scores = [_of_mean_1(score) for score in scores]
    return torch.stack(scores).sum(0, dtype=sum_type(scores[0].device))


def _of_mean_1(score: Tensor) -> Tensor:
    wide = score.to(sum_type(score.device))
    return wide / wide.mean().clamp_min(torch.finfo(wide.dtype).tiny)


def _said(collected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was collected, by its name in a sentence."""
    return {f"its {kind.replace('_', ' ')}": found for kind, found in collected.items()}


def _not_finite(criterion: Criterion, layer: str, read: Mapping[str, Tensor]) -> NotFiniteError:
    name = next((name for name in CRITERIA if CRITERIA.get(name) is type(criterion)), type(criterion).__name__)
    culprit = next((what for what, tensor in read.items() if not tensor.isfinite().all()), None)
    return NotFiniteError(
        f"The criterion {name!r} has no finite score for every unit of {layer!r}",
        f"NaN or infinite values are in {culprit}" if culprit else "its numbers are beyond the largest of their type",
        "look for such values in the weights and the data, lower the learning rate if it is being trained, or choose "
        "another criterion",
    )
