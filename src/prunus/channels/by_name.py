"""Channel pruning in one call, with the criterion and the allocation given by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.channels import Pruned
from prunus.channels.choice import Allocation, Score, Scores, each
from prunus.channels.latency_target import Tell
from prunus.channels.pruning import prune_by_scores
from prunus.channels.target import ChannelTarget
from prunus.coupling import ChannelGroup
from prunus.coupling.grouping import Heads
from prunus.coupling.outputs import Outputs
from prunus.errors import InputError
from prunus.prune.allocations import ALLOCATIONS, Allocation as ByName
from prunus.prune.criteria import CRITERIA, Criterion
from prunus.prune.criteria.scoring import (
    check_defined,
    gather,
    gathers_while_training,
    needed,
    needs_samples,
    unit_scores,
)
from prunus.prune.evidence import Samples
from prunus.prune.evidence.samples import Loss
from prunus.prune.patterns.channel import Channel
from prunus.prune.units import UnitSet
from prunus.spec import Part, make, part_of


def prune_channels(
    model: nn.Module,
    example_inputs: Any,
    rate: float | None = None,
    *,
    criterion: str | Part | Score = "magnitude",
    allocation: str | Part | Mapping[str, Any] | Allocation = "uniform",
    protect: Sequence[str] = (),
    round_to: int = 1,
    floor: int = 1,
    heads: Heads = "whole",
    outputs: Outputs = None,
    seed: int = 0,
    data: Iterable[tuple[Any, Any]] | None = None,
    loss: Loss = F.cross_entropy,
    tell: Tell = lambda _: None,
) -> Pruned:
    """Remove a share of a network's channels, and prove that the smaller network computes what the masked one does.

    The model that is passed in is untouched. A model behind `torch.compile`, `DataParallel` or
    `DistributedDataParallel` comes back without that wrapper. One with data-dependent control flow can't be traced as a
    whole, and is pruned in the parts between its decisions, which the report names.

    Args:
        model: the network, trained or not.
        example_inputs: what the network takes: a tensor, a tuple of positional arguments or a dictionary of named ones.
        rate: share of each group's channels that goes, 0 <= rate < 1; None where the allocation has a target.
        criterion: by name, as a part with settings, or a function of model and group that scores each unit: (units,).
            The lowest go first.
        allocation: by name, as a part or a table with settings, or a function of all scores and the rate that gives
            each group its own rate. A target among the settings takes the place of the rate: `{"name": "uniform",
            "macs": 0.25}` leaves a quarter of the MACs, `{"name": "global", "latency_ms": 3.0, "runtime":
            "onnxruntime"}` one run of 3 ms at most, as measured here.
        protect: layers that keep their channels, by name or shell pattern.
        round_to: the number of channels that are left is a multiple of this.
        floor: so many channels are left at least.
        heads: attention heads and groups of convolutions go `whole`, or lose the same `dimensions` each.
        outputs: those that keep their width, by name, shell pattern or place in what the model returns, such as
            "logits"; "*" for all. By default all results do; where the model returns an object of an output class, such
            as those of transformers, the hidden states, attentions and outputs of parts from which a result is computed
            may lose channels. The report names the outputs that did.
        seed: of criteria that draw numbers.
        data: batches of (inputs, targets) for criteria that look at data, such as a loader; the first 256 inputs are
            used.
        loss: of outputs and targets, for criteria that need gradients.
        tell: is called with a sentence on how the search for a latency gets on.

    Returns:
        The smaller `model`, the `plan` that made it, and a `report` of what was asked, what was achieved and how it was
        proven.

    Raises:
        InputError: the model does not run on the example inputs, a name is unknown, nothing can be pruned, or a target
            cannot be reached; the message then has the nearest that can.
        DifferenceError: the result can't be proven equal to the masked model.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> pruned = prune_channels(model, torch.randn(1, 3, 8, 8), 0.5)
        >>> pruned.model[0].out_channels, pruned.model[2].out_channels  # the output keeps its width
        (4, 4)
        >>> pruned.report.macs.before, pruned.report.macs.after
        (12384, 6192)
    """
    samples = None if data is None else Samples.of(data, loss)
    scores = each(criterion) if callable(criterion) else _scores(part_of(criterion), seed, samples)
    target = None
    if not callable(allocation):
        shared = make(ALLOCATIONS, part_of(allocation))
        if shared.target is not None:
            target = ChannelTarget(
                model, example_inputs, shared, Channel(round_to=round_to, floor=floor), tell, outputs=outputs
            )
        allocation = _by_rate(shared)
    pruned = prune_by_scores(
        model,
        example_inputs,
        _the_rate(rate, target),
        scores=target.watched(scores) if target else scores,
        allocation=target.rates if target else allocation,
        protect=protect,
        round_to=round_to,
        floor=floor,
        heads=heads,
        outputs=outputs,
    )
    return target.reported(pruned) if target else pruned


def _the_rate(rate: float | None, target: ChannelTarget | None) -> float:
    """The one given; 0 where a target decides."""
    if (rate is None) == (target is None):
        raise InputError(
            "Nothing says how much is to go" if rate is None else "Both a rate and a target say how much is to go",
            "either a share of the channels or a cost can be asked for",
            "give a rate, or an allocation with a target, such as macs = 0.25; on the command line --rate or --target",
        )
    return 0.0 if rate is None else rate


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
    if gathers_while_training(criterion):
        raise InputError(
            f"The criterion {name!r} cannot score channels in one call",
            "it gathers while a network trains",
            "use it in a study or with prunus.Pruner",
        )
    if needs_samples(criterion) and not samples:
        raise InputError(
            f"The criterion {name!r} cannot score without data",
            f"it needs {needed(criterion)}",
            "give data, batches of (inputs, targets); on the command line --data",
        )


def _by_rate(allocation: ByName) -> Allocation:
    if allocation.rate_of != "units":
        raise InputError(
            f"A rate cannot be a share of {allocation.rate_of} in one call",
            "only the rate of channels counts here",
            f"leave rate_of out, or ask for the share that is to be left, such as {allocation.rate_of} = 0.25",
        )

    def rates(scores: Mapping[str, Tensor], rate: float) -> dict[str, float]:
        sets = [UnitSet(name=name, units=len(score), scored={}, masked={}) for name, score in scores.items()]
        allocation.check(sets)
        counts = allocation.counts(sets, list(scores.values()), rate)
        return {one.name: count / one.units for one, count in zip(sets, counts, strict=True)}

    return rates
