"""From a criterion and what it needs to the scores of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.evidence import EVIDENCE, Collected, Samples, collect
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


def needed(criterion: Criterion) -> str:
    """What a criterion needs, in words, such as `input norms`."""
    return " and ".join(criterion.needs).replace("_", " ")


def gather(
    criterion: Criterion, model: nn.Module, unit_sets: Sequence[UnitSet], samples: Samples, while_training: Collected
) -> Collected:
    """Everything that a criterion needs, each kind once. while_training: what has gathered step by step."""
    names = scored_names(criterion, unit_sets)
    return {
        kind: while_training.get(kind) or collect(EVIDENCE.get(kind), model, names, samples) for kind in criterion.needs
    }


def scored_names(criterion: Criterion, unit_sets: Iterable[UnitSet]) -> list[str]:
    """The parameters that a criterion is given."""
    return list(dict.fromkeys(name for one in unit_sets for name in one.role(criterion.reads)))


def unit_scores(
    criterion: Criterion, model: nn.Module, one: UnitSet, gathered: Collected, draws: torch.Generator
) -> Tensor:
    """(units,): summed over the parameters of a set."""
    scores = []
    for name, arrange in one.role(criterion.reads).items():
        collected = {kind: arrange(tensors[name]) for kind, tensors in gathered.items()}
        weights = arrange(model.get_parameter(name).detach())
        weights = weights.abs() if weights.is_complex() else weights
        scores.append(criterion.score(Evidence(weights, draws, collected)))
    if len(scores) == 1:
        return scores[0]
    if not criterion.additive:
        scores = [score / score.mean().clamp_min(torch.finfo(score.dtype).tiny) for score in scores]
    return torch.stack(scores).sum(0)
