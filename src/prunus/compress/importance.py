"""How much the loss would rise without channels: estimated of each from gradients, and measured of many together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunus.channels import recalibrate
from prunus.channels.cost_model import masks_of
from prunus.compress.widths import GroupWidths, Widths
from prunus.coupling import Member
from prunus.errors import NotFiniteError
from prunus.prune import apply_masks
from prunus.prune.evidence import Samples
from prunus.trace.copying import fresh_copy

MOST_INPUTS = 512
MEASURED_BATCHES = 2
HIGHEST_LOSS = 1e6


def channel_losses(
    model: nn.Module, groups: Sequence[GroupWidths], samples: Samples, seconds: float
) -> dict[str, Tensor]:
    """Group -> (units,): the estimated rise of the mean loss without each unit.

    Half the mean square of the derivative of one input's loss by a factor on all that reads the unit, which couples all
    layers of its group: the Fisher information for the Hessian (Liu et al., "Group Fisher pruning for practical network
    compression", 2021).

    samples: inputs are taken one by one, until all are, or `seconds` are over.
    Raises `NotFiniteError` where a derivative is not finite.
    """
    clone = fresh_copy(model).eval()
    for parameter in clone.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    readers = {one.name: _readers(one, clone) for one in groups}
    names = list(dict.fromkeys(member.parameter for members in readers.values() for member in members))
    parameters = [clone.get_parameter(name) for name in names]
    places = {
        member: torch.tensor(member.indices, device=parameters[0].device)
        for members in readers.values()
        for member in members
    }
    totals = {one.name: torch.zeros(one.group.units, dtype=torch.float64) for one in groups}
    began, count = time.monotonic(), 0
    pieces = _pieces(samples)
    for loss in pieces.weighed_losses(clone):
        share = loss * len(pieces.batches)
        gradients = torch.autograd.grad(share, parameters, materialize_grads=True, allow_unused=True)
        products = dict(zip(names, (g * p.detach() for g, p in zip(gradients, parameters, strict=True)), strict=True))
        for name, members in readers.items():
            factor = sum(_by_unit(products[member.parameter], member.dim, places[member]) for member in members)
            totals[name] += factor.double().cpu().square()  # type: ignore[union-attr]
        count += 1
        if time.monotonic() - began > seconds:
            break
    found = {name: total / (2 * count) for name, total in totals.items()}
    _refuse_not_finite(found)
    return found


def _pieces(samples: Samples) -> Samples:
    """Inputs one by one; lists, such as of images of several sizes, batch by batch, which ranks channels alike."""
    lists = any(isinstance(part, list) for batch in samples.batches for part in (batch[1], *_parts(batch[0])))
    return samples if lists else samples.first(MOST_INPUTS)


def _parts(inputs: Any) -> Iterable[Any]:
    return inputs if isinstance(inputs, tuple | list) else ()


def _readers(one: GroupWidths, model: nn.Module) -> list[Member]:
    """What reads the channels; where nothing with weights does, what makes them."""
    parameters = dict(model.named_parameters())
    readers = [member for member in one.group.consumers if parameters.get(member.parameter, torch.empty(0)).dim() > 1]
    return readers or [member for member in one.group.producers if member.parameter in parameters]


def _by_unit(values: Tensor, dim: int, places: Tensor) -> Tensor:
    """(units,): the sum of what belongs to each unit."""
    along = values.movedim(dim, 0).flatten(1).sum(1) if values.dim() > 1 else values
    return along[places].sum(1)


def _refuse_not_finite(found: Mapping[str, Tensor]) -> None:
    for name, losses in found.items():
        if not losses.isfinite().all():
            raise NotFiniteError(
                f"What the channels of {name!r} are worth cannot be told",
                "the gradients of the loss are NaN or infinite there",
                "look for such values in the weights and the data",
            )


def loss_table(
    model: nn.Module, groups: Sequence[GroupWidths], losses: Mapping[str, Tensor], samples: Samples, seconds: float
) -> list[list[float]]:
    """Group by group, for each of its choices: how much the loss would rise without the channels of least loss.

    The mean of two: of the sum of their estimates, which knows nothing of how they stand in for each other, and of what
    the loss comes to with them set to zero and batch normalisation measured anew, which on a few inputs is noisy.
    seconds: for the latter, where groups are measured at fewer widths, or not at all, if there are many.
    """
    table = []
    for one in groups:
        rising = torch.cat([torch.zeros(1, dtype=torch.float64), losses[one.name].sort().values.cumsum(0)])
        table.append([float(rising[one.group.units - left]) for left in one.choices])
    measured = _measured_losses(model, groups, losses, samples, seconds)
    if measured is None:
        return table
    return [[(one + other) / 2 for one, other in zip(*rows, strict=True)] for rows in zip(table, measured, strict=True)]


@torch.no_grad()
def _measured_losses(
    model: nn.Module, groups: Sequence[GroupWidths], losses: Mapping[str, Tensor], samples: Samples, seconds: float
) -> list[list[float]] | None:
    """The rise of the loss with the channels of each choice set to zero; None where there is no time for it."""
    clone = fresh_copy(model).eval()
    held = {name: tensor.clone() for name, tensor in _state(clone).items()}
    cells = sum(len(one.choices) for one in groups)
    for count in (MEASURED_BATCHES, 1):
        few = replace(samples, batches=samples.batches[:count])
        began = time.monotonic()
        unpruned = _loss(clone, few)
        room = seconds / (2 * (time.monotonic() - began))  # cells: norms are measured on the same inputs before
        if room >= 2 * len(groups):
            break
    else:
        return None
    stride = max(1, math.ceil(cells / room))
    table = []
    for one in groups:
        gone, rises = [0], [0.0]
        for left in _spread(one.choices, stride):
            lowest = one.units.lowest(losses[one.name], one.group.units - left)
            apply_masks(clone, masks_of([one.units], {one.name: lowest}))
            gone.append(one.group.units - left)
            rises.append(max(rises[-1], min(_loss(clone, few, anew=True) - unpruned, HIGHEST_LOSS)))
            for name, tensor in _state(clone).items():
                tensor.copy_(held[name])
        table.append([float(np.interp(one.group.units - left, gone, rises)) for left in one.choices])
    return table


def _spread(choices: Sequence[int], stride: int) -> list[int]:
    """Every so many of the choices below the first, the last one among them.

    >>> _spread((16, 14, 12, 10, 8, 6), 2)
    [14, 10, 6]
    """
    return list(choices[:0:-1][::stride][::-1])


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _loss(model: nn.Module, samples: Samples, anew: bool = False) -> float:
    """The mean loss; anew: after the statistics of norms over the batch have been measured on the same inputs."""
    try:
        if anew and any(isinstance(one, nn.modules.batchnorm._BatchNorm) for one in model.modules()):
            recalibrate(model, (inputs for inputs, _ in samples.batches))
        loss = float(sum(samples.weighed_losses(model)))
    except NotFiniteError:
        loss = HIGHEST_LOSS
    return loss if math.isfinite(loss) else HIGHEST_LOSS


def kept_units(groups: Sequence[GroupWidths], losses: Mapping[str, Tensor], widths: Widths) -> dict[str, Tensor]:
    """Group -> which of its units stay, (units,): those of the highest losses, as many as the widths say."""
    return {one.name: ~one.units.lowest(losses[one.name], one.group.units - widths[one.name]) for one in groups}
