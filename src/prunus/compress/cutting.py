"""A network cut to a cost in several ways, of which some training tells the best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

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


def best_of(
    cuts: Sequence[CutNetwork], rates: Sequence[float], finetuning: Finetuning, seconds: float, tell: Tell
) -> tuple[CutNetwork, float]:
    """The network and the learning rate of least loss on the inputs to choose by after a short training, so trained.

    Each network is trained with the first rate, and the best of them with each other rate. seconds: for all of these
    together. What diverges is not chosen, unless all do.
    """
    count = len(cuts) + len(rates) - 1
    if count == 1 or seconds <= 0:
        return cuts[0], rates[0]
    epochs = seconds / count / max(finetuning.seconds_per_epoch(one.network) for one in cuts)

    def tried(cut: CutNetwork, rate: float) -> tuple[float, CutNetwork, float]:
        network, loss = _trained(cut, finetuning.at(rate), epochs)
        tell(f"widths {cut.chosen}, learning rate {rate:g}: a loss of {loss:.4g} after {epochs:.2g} epochs")
        return loss, replace(cut, network=network, compared=epochs * count), rate

    of_widths = [tried(cut, rates[0]) for cut in cuts]
    best = min(range(len(cuts)), key=lambda index: of_widths[index][0])
    loss, cut, rate = min((of_widths[best], *(tried(cuts[best], other) for other in rates[1:])), key=itemgetter(0))
    return (cut, rate) if math.isfinite(loss) else (cuts[0], rates[0])


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
