"""Training on the shrunk network: where channels are gone for good, the network that is trained has them no more.

Pruning itself happens on the whole network, whose gone channels are zero, so that a recipe sees the same whether the
trained network is smaller or not. After it, the trained network is cut out of the whole one anew, proven equal, and the
optimiser's state cut along.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from prunus.prune import apply_masks
from prunus.surgery import Plan, plan
from prunus.surgery.tensors import NamedTensors, put_back, without
from prunus.train.pruner import Pruner
from prunus.train.state import TrainingState


def planned(pruner: Pruner) -> Plan:
    """The channels that are gone for good, as a plan for the whole network."""
    groups = [one.group for one in pruner.anatomy.unit_sets if one.group is not None]
    return plan(groups, {name: ~units.cpu() for name, units in pruner.gone.items()})


@torch.no_grad()
def widen(state: TrainingState) -> nn.Module:
    """Write the trained weights into the pruner's network, whose gone channels are zero, and give that."""
    whole = state.pruner.model
    if state.plan is not None:
        tensors, cuts = NamedTensors(whole).all(), state.plan.by_tensor()
        for name, small in NamedTensors(state.model).all().items():
            if name in tensors:
                put_back(tensors[name], small, cuts.get(name, {}))
        apply_masks(whole, state.pruner.masks())
    return whole


def narrow(state: TrainingState, anew: bool = False) -> None:
    """Train on without the channels that are gone by now.

    anew: the weights of the whole network have changed, too.
    Raises `DifferenceError` if the smaller network can't be proven equal to the masked one.
    """
    pruner, surgeon = state.pruner, state.pruner.anatomy.surgeon
    after = planned(pruner) if surgeon is not None and pruner.gone else None
    if surgeon is None or after is None or not after.cuts or (after == state.plan and not anew):
        return
    device = next(pruner.model.parameters()).device
    whole = pruner.model if device.type == "cpu" else copy.deepcopy(pruner.model).cpu()
    small = surgeon.shrink(whole, after).model.to(device)
    if state.training.channels_last:
        small = small.to(memory_format=torch.channels_last)
    optimizer = state.optimizer_of(small)
    _carry_over(state, small, optimizer, after.beyond(state.plan))
    state.model, state.optimizer, state.plan = small, optimizer, after


def _carry_over(
    state: TrainingState,
    small: nn.Module,
    optimizer: torch.optim.Optimizer,
    cuts: dict[str, dict[int, tuple[int, ...]]],
) -> None:
    """Give the new optimiser what the old one knew of the channels that are left."""
    before = dict(state.model.named_parameters())
    for name, parameter in small.named_parameters():
        old = before[name]
        for slot, value in state.optimizer.state.get(old, {}).items():
            if isinstance(value, Tensor) and value.shape == old.shape:
                value = torch.empty_like(parameter).copy_(without(value, cuts.get(name, {})))
            optimizer.state[parameter][slot] = value
