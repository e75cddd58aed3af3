"""Channel pruning in one call, with the criterion and the allocation given by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.graph import ChannelGroup
from prunus.graph.grouping import Heads
from prunus.prune.allocations import ALLOCATIONS
from prunus.prune.criteria import CRITERIA, Criterion
from prunus.prune.criteria.scoring import check_defined, gather, needs_samples, unit_scores
from prunus.prune.evidence import Samples
from prunus.prune.evidence.samples import Loss
from prunus.prune.patterns.channel import Channel
from prunus.prune.units import UnitSet
from prunus.spec import Part, make
from prunus.surgery import Pruned
from prunus.surgery import prune_channels as prune_by_score
from prunus.surgery.choice import Allocation, Score, Scores, each


def prune_channels(
    model: nn.Module,
    example_inputs: Any,
    rate: float,
    *,
    criterion: str | Part | Score = "magnitude",
    allocation: str | Part | Allocation = "uniform",
    protect: Sequence[str] = (),
    round_to: int = 1,
    floor: int = 1,
    heads: Heads = "whole",
    seed: int = 0,
    data: Iterable[tuple[Any, Any]] | None = None,
    loss: Loss = F.cross_entropy,
) -> Pruned:
    """Remove a share of the channels and prove the result; the model passed in is untouched.

    example_inputs: a tensor, a tuple of positional arguments or a dictionary of named ones.
    rate: share of each group's channels that goes, 0 <= rate < 1.
    criterion: by name, as a part with settings, or a function of model and group that scores each unit.
    allocation: by name, as a part, or a function of all scores and the rate that gives each group its own rate.
    protect: layers by name or shell pattern; the model's outputs always are.
    round_to: channels that are left are a multiple of this. floor: channels that are left at least.
    heads: attention heads and groups of convolutions go `whole`, or lose the same `dimensions` each.
    seed: of criteria that draw numbers.
    data: batches of (inputs, targets) for criteria that look at data, such as a loader; the first 256 inputs are used.
    loss: of outputs and targets, for those that need gradients.

    Raises `InputError` if the model can't be traced, a name is unknown, or nothing can be pruned; `DifferenceError` if
    the result can't be proven equal to the masked model.
    """
    samples = None if data is None else Samples.of(data, loss)
    return prune_by_score(
        model,
        example_inputs,
        rate,
        scores=each(criterion) if callable(criterion) else _scores(_part(criterion), seed, samples),
        allocation=allocation if callable(allocation) else _allocation(_part(allocation)),
        protect=protect,
        round_to=round_to,
        floor=floor,
        heads=heads,
    )


def _part(name: str | Part) -> Part:
    return name if isinstance(name, Part) else Part(name=name)


def _scores(part: Part, seed: int, samples: Samples | None) -> Scores:
    """The criterion's scores of all groups; what it looks at beside the weights is collected once."""
    criterion = make(CRITERIA, part)
    _refuse_without_data(part.name, criterion, samples)

    def scores(model: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Tensor]:
        sets = [Channel().unit_set(group, model) for group in groups]
        check_defined(part.name, criterion, "channel", sets)
        gathered = gather(criterion, model, sets, samples or Samples(), {})
        draws = torch.Generator().manual_seed(seed)
        return {one.name: unit_scores(criterion, model, one, gathered, draws).detach().cpu() for one in sets}

    return scores


def _refuse_without_data(name: str, criterion: Criterion, samples: Samples | None) -> None:
    """Raises `InputError` for a criterion that needs data where there are none, or a training."""
    if "movement" in criterion.needs:
        raise InputError(
            f"The criterion {name!r} cannot score channels in one call",
            "it gathers while a network trains",
            "use it in a study or with prunus.Pruner",
        )
    if needs_samples(criterion) and not samples:
        raise InputError(
            f"The criterion {name!r} cannot score without data",
            f"it needs {' and '.join(criterion.needs)}",
            "give data, batches of (inputs, targets); on the command line --data",
        )


def _allocation(part: Part) -> Allocation:
    allocation = make(ALLOCATIONS, part)
    if allocation.counted:
        raise InputError(
            f"The allocation {part.name!r} cannot come to a share of {allocation.counted} in one call",
            "only the rate of channels counts here",
            "leave the setting out and give a rate, or use it in a study or with prunus.Pruner",
        )

    def rates(scores: Mapping[str, Tensor], rate: float) -> dict[str, float]:
        sets = [UnitSet(name=name, units=len(score), scored={}, masked={}) for name, score in scores.items()]
        allocation.check(sets)
        counts = allocation.counts(sets, list(scores.values()), rate)
        return {one.name: count / one.units for one, count in zip(sets, counts, strict=True)}

    return rates
