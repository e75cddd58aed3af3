"""Training on the shrunk network: where channels are gone for good, the trained network has them no more.

Pruning itself happens on the whole network, whose gone channels are zero, so that a recipe sees the same whether the
trained network is smaller or not. After it, the trained network is cut out of the whole one anew, proven equal, and the
optimiser's state cut along. What is saved by it is counted before the training, by a schedule played through.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels import Plan, plan
from prunus.channels.cost_model import cost_model_of
from prunus.channels.tensors import NamedTensors, put_back, without
from prunus.prune import apply_masks
from prunus.prune.criteria import CRITERIA
from prunus.spec import Part, Recipe, spelled_out
from prunus.train.hidden_state import Attributes
from prunus.train.pruner import Pruner
from prunus.train.scope import PruningScope
from prunus.train.state import TrainingState


def planned(pruner: Pruner) -> Plan:
    """The channels that are gone for good, as a plan for the whole network."""
    groups = [one.group for one in pruner.scope.unit_sets if one.group is not None]
    return plan(groups, {name: ~units.cpu() for name, units in pruner.gone.items()})


@torch.no_grad()
def widen(state: TrainingState) -> nn.Module:
    """Write the trained weights, and what else changed, into the pruner's network, whose gone channels are zero."""
    whole = state.pruner.model
    if state.plan is not None:
        tensors, cuts = NamedTensors(whole).all(), state.plan.by_tensor()
        for name, small in NamedTensors(state.model).all().items():
            if name in tensors:
                put_back(tensors[name], small, cuts.get(name, {}))
        apply_masks(whole, state.pruner.masks())
        if state.cut is not None:
            state.cut.carry_over(whole)
    return whole


def narrow(state: TrainingState, anew: bool = False) -> None:
    """Train on without the channels that are gone by now.

    anew: the weights of the whole network have changed, too.
    Raises `DifferenceError` if the smaller network can't be proven equal to the masked one.
    """
    pruner, cutter = state.pruner, state.pruner.scope.cutter
    after = planned(pruner) if state.shrinks and cutter is not None and pruner.gone else None
    if cutter is None or after is None or not after.cuts or (after == state.plan and not anew):
        return
    device = next(pruner.model.parameters()).device
    whole = pruner.model if device.type == "cpu" else copy.deepcopy(pruner.model).cpu()
    small = cutter.shrink(whole, after).model.to(device)
    if state.training.channels_last:
        small = small.to(memory_format=torch.channels_last)
    optimizer = state.optimizer_of(small)
    _carry_over(state, small, optimizer, after.beyond(state.plan))
    state.model, state.optimizer, state.plan = small, optimizer, after
    state.cut = Attributes(small, state.modules)


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


def training_macs(
    model: nn.Module, recipe: Recipe, scope: PruningScope, example_inputs: Any, *, rate: float, epochs: int
) -> float:
    """Training MACs of a recipe in epochs of the unpruned network: 50.0 for 50 epochs without pruning.

    An epoch counts the MACs of the network that it trains: channels that are gone for good are gone from it, zeros
    among weights are multiplied like anything else. Backward passes and the number of inputs are in proportion and
    cancel out. The schedule is played through on the network as it is, with units drawn at random and nothing trained:
    where an allocation shares by scores, trained weights may share differently.

    The model is pruned; give one of its own.
    """
    by_chance = recipe.model_copy(update={"criterion": spelled_out(CRITERIA, Part(name="random"))})
    if scope.cutter is None or recipe.bits is not None:  # nothing is cut while it trains
        return float(epochs)
    costs = cost_model_of(model, example_inputs, "macs")
    pruner = Pruner(model, by_chance, example_inputs, rate=rate, epochs=epochs, steps_per_epoch=None, scope=scope)
    total = 0.0
    for epoch in range(epochs):
        pruner.after_epoch(epoch)
        total += costs.left(scope.unit_sets, pruner.gone) if pruner.gone else 1.0
    return total
