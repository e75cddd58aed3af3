"""Whole coupled channels: everything that makes a channel and everything that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import Pattern
from prunus.prune.units import UnitSet

if TYPE_CHECKING:
    from prunus.graph import ChannelGroup, Member

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


class Channel(Pattern):
    """Every channel of a group of coupled layers is a unit; with all its parameters zero it can be cut out.

    Units are scored by the weights that make the channel; masks cover these, their biases and normalisation, and the
    input slices of the layers that read the channel.
    """

    def unit_sets(  # noqa: D102
        self,
        model: nn.Module,
        example_inputs: Tensor,
        layers: Sequence[PrunableLayer],  # noqa: ARG002
        protected: frozenset[str],
    ) -> tuple[UnitSet, ...]:
        from prunus.graph import channel_groups  # torch.export takes long to import

        groups = [
            group for group in channel_groups(model, example_inputs, protect=sorted(protected)) if not group.protected
        ]
        if not groups:
            raise InputError(
                "No channel of this network can be pruned",
                "every group of channels is protected or cannot be followed",
                "see `prunus inspect` for the reasons, or use the pattern 'element'",
            )
        return tuple(_unit_set(group, model) for group in groups)


def _unit_set(group: ChannelGroup, model: nn.Module) -> UnitSet:
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, NORMS)}
    members = [member for member in (*group.producers, *group.consumers) if member.parameter in shapes]
    by_parameter: dict[str, list[Member]] = {}
    for member in members:
        by_parameter.setdefault(member.parameter, []).append(member)
    weights = {one.parameter: one for one in group.producers if len(shapes.get(one.parameter, ())) > 1}
    scales = {one.parameter: one for one in group.producers if one.parameter in norms & shapes.keys()}
    readers = {one.parameter: one for one in group.consumers if len(shapes.get(one.parameter, ())) > 1}
    return UnitSet(
        name=group.name,
        units=group.units,
        scored={name: partial(_arranged, member=member) for name, member in weights.items()},
        masked={name: partial(_spread, members=ones, shape=shapes[name]) for name, ones in by_parameter.items()},
        scales={name: partial(_arranged, member=member) for name, member in scales.items()},
        readers={name: partial(_arranged, member=member) for name, member in readers.items()},
        shape=tuple(shapes[next(iter(weights))]) if weights else (),
        group=group,
    )


def _arranged(values: Tensor, member: Member) -> Tensor:
    """(units, elements): the entries that belong to each unit."""
    along = values.movedim(member.dim, 0).reshape(values.shape[member.dim], -1)
    return along[torch.tensor(member.indices, device=values.device)].flatten(1)


def _spread(keep: Tensor, members: Sequence[Member], shape: torch.Size) -> Tensor:
    mask = torch.ones(shape, dtype=torch.bool, device=keep.device)
    gone = (~keep).nonzero().flatten().tolist()
    for member in members:
        positions = [position for unit in gone for position in member.indices[unit]]
        mask.index_fill_(member.dim, torch.tensor(positions, dtype=torch.long, device=keep.device), False)
    return mask
