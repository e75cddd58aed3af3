"""Zeroing instead of removing: boolean masks for a group, and a masked copy of a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunus.graph import ChannelGroup, Wiring, wire_model
from prunus.graph.copying import Instead, fresh_copy
from prunus.graph.inventory import held_tensors
from prunus.graph.kept import Kept
from prunus.surgery.plan import Plan, kept_units
from prunus.surgery.reference import masked_network
from prunus.surgery.removed import kept_after
from prunus.surgery.tensors import Places, anew


def unit_masks(
    group: ChannelGroup, keep: Any, shapes: dict[str, torch.Size], consumers: bool = True
) -> dict[str, Tensor]:
    """Boolean masks over the parameters of a group: False where a unit that is not kept has entries.

    keep: units to keep, or one boolean per unit. shapes: parameter -> its shape.
    consumers: also the input slices of the layers that follow; they read zeros, so that their values don't matter as
    long as zero stays zero through what lies between.
    Masks of several groups are combined with `&`.
    """
    gone = sorted(set(range(group.units)) - kept_units(group, keep))
    masks: dict[str, Tensor] = {}
    for member in group.producers + (group.consumers if consumers else ()):
        mask = masks.setdefault(member.parameter, torch.ones(shapes[member.parameter], dtype=torch.bool))
        positions = [position for unit in gone for position in member.indices[unit]]
        mask.index_fill_(member.dim, torch.tensor(positions, dtype=torch.long), False)
    return masks


def masked(model: nn.Module, plan: Plan, example_inputs: Any = None) -> nn.Module:
    """A copy in which every entry that the plan removes is zero; variances of norms, which divide, are left.

    Where a norm runs over channels that the plan removes (`plan.normalised`), zeroing is not removing: then the result
    takes that norm over the kept channels. This needs example inputs, to trace the model with.
    """
    if not plan.normalised:
        return zeroed(model, plan)
    wiring = wire_model(model, example_inputs)
    return masked_in(model, plan, wiring, kept_after(wiring, plan))


def masked_in(
    model: nn.Module,
    plan: Plan,
    wiring: Wiring,
    kept: Kept,
    values: Instead | None = None,
    double: bool = False,
    places: Places | None = None,
) -> nn.Module:
    """`masked` for a model that is wired already.

    values: id of a tensor -> other values for it. double: in double precision.
    """
    held = held_tensors(model)
    with torch.no_grad():
        tensors = anew(held, values or {}, double, [cut for cut in plan.cuts if cut.zero], places)
    if not plan.normalised:
        return fresh_copy(model, tensors)
    zeros = {name: tensors[id(tensor)] for name, tensor in held.items()}
    return masked_network(zeros, wiring, kept, double).train(model.training)


def zeroed(model: nn.Module, plan: Plan) -> nn.Module:
    """A copy in which every entry that the plan removes is zero."""
    with torch.no_grad():
        return fresh_copy(model, anew(held_tensors(model), {}, False, [cut for cut in plan.cuts if cut.zero]))
