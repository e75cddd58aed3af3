"""A network cut to a cost in several ways, of which some training tells the best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from prunus.channels import recalibrate
from prunus.compress.candidates import Candidate
from prunus.compress.choosing import choosers
from prunus.compress.finetuning import Finetuning
from prunus.compress.goals import Goal
from prunus.compress.timing import Tell
from prunus.errors import NotFiniteError
from prunus.prune.evidence import Samples
from prunus.train import TrainingState


@dataclass(frozen=True)
class CutNetwork:
    """A network that was cut out of another one.

    chosen: how its widths were. cost: as observed. compared: epochs that it and those that it was compared with were
    trained for, all together.
    """

    network: nn.Module
    widths: Mapping[str, int]
    cost: float
    chosen: str
    compared: float = 0.0


def cut_in_all_ways(
    at: Candidate,
    goal: Goal,
    budget: float,
    worth: tuple[Mapping[str, Tensor], Sequence[Sequence[float]]],
    samples: Samples,
    tries: int,
    seconds: float,
    tell: Tell,
) -> list[CutNetwork]:
    """The networks that each way to choose widths gives, with statistics of norms measured anew; equal ones are one.

    worth: what each channel costs in loss, and each choice of each group. seconds: after these, ways that were not
    looked at are left out, so that a short budget trains. Raises `InputError` with the least that can
    be had, where that costs more than the budget.
    """
    losses, table = worth
    found: dict[tuple[int, ...], CutNetwork] = {}
    began = time.monotonic()
    for name, chooser in choosers(at.groups, table).items():
        left = seconds - (time.monotonic() - began)
        if found and left <= 0:
            break
        widths, cost = at.cut_to(goal, budget, chooser, tell, tries, left if found else math.inf)
        key = tuple(widths.values())
        if key not in found:
            network = at.cut(widths, losses)
            recalibrate(network, (inputs for inputs, _ in samples.batches))
            found[key] = CutNetwork(network, widths, cost, name)
    return list(found.values())


def best_of(cuts: Sequence[CutNetwork], finetuning: Finetuning, seconds: float, tell: Tell) -> CutNetwork:
    """The network of least loss on the inputs to choose by after a short training of each, trained that far.

    seconds: for all of them together. One that diverges is not chosen, unless all do.
    """
    if len(cuts) == 1 or seconds <= 0:
        return cuts[0]
    epochs = seconds / len(cuts) / max(finetuning.seconds_per_epoch(one.network) for one in cuts)
    best, least = cuts[0], math.inf
    for one in cuts:
        network, loss = _trained(one, finetuning, epochs)
        tell(f"widths {one.chosen}: a loss of {loss:.4g} after {epochs:.2g} epochs")
        if loss < least:
            best, least = replace(one, network=network, compared=epochs * len(cuts)), loss
    return best


def _trained(one: CutNetwork, finetuning: Finetuning, epochs: float) -> tuple[nn.Module, float]:
    """The network after so many epochs, and its loss; infinite where the training diverged."""
    losses: list[float] = []

    def after(state: TrainingState) -> bool:
        losses.append(state.epochs[-1].test_loss)
        return True

    try:
        network = finetuning.run(one.network, epochs, after_epoch=after)
    except NotFiniteError:
        return one.network, math.inf
    return network, losses[-1] if math.isfinite(losses[-1]) else math.inf
