"""Whole coupled channels: everything that makes a channel and everything that reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from pydantic import Field, StrictInt
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import Pattern
from prunus.prune.units import UnitSet, step_of

if TYPE_CHECKING:
    from prunus.coupling import ChannelGroup, Member

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


class Channel(Pattern):
    """Every channel of a group of coupled layers is a unit; with all its parameters zero it can be cut out.

    Units are scored by the weights that make the channel; masks cover these, their biases and normalisation, and the
    input slices of the layers that read the channel.

    round_to: channels that are left are a multiple of this, where the layer is big enough, because runtimes prefer it.
    floor: channels that are left of every layer at least.
    outputs: what the network returns at full width, as in `prune_channels`: names, shell patterns or places.
    """

    round_to: int = Field(default=1, ge=1)
    floor: int = Field(default=1, ge=1)
    outputs: str | StrictInt | tuple[str | StrictInt, ...] | None = None

    def unit_sets(  # noqa: D102
        self,
        model: nn.Module,
        example_inputs: Tensor,
        layers: Sequence[PrunableLayer],
        protected: frozenset[str],
    ) -> tuple[UnitSet, ...]:
        from prunus.coupling import channel_groups  # torch.export takes long to import

        modules = sorted(_modules_of(model, [layer for layer in layers if layer.name in protected]))
        found = channel_groups(model, example_inputs, protect=modules, outputs=self.outputs)
        groups = [group for group in found if not group.protected]
        if not groups:
            raise InputError(
                "No channel of this network can be pruned",
                "every group of channels is protected or cannot be followed",
                "see `prunus inspect` for the reasons, or use the pattern 'element'",
            )
        return tuple(self.unit_set(group, model) for group in groups)

    def kept_outputs(self) -> str | int | tuple[str | int, ...] | None:  # noqa: D102
        return self.outputs

    def unit_set(self, group: ChannelGroup, model: nn.Module) -> UnitSet:
        """The channels of one group."""
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        members = [member for member in (*group.producers, *group.consumers) if member.parameter in shapes]
        norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, NORMS)}
        by_parameter: dict[str, list[Member]] = {}
        for member in members:
            by_parameter.setdefault(member.parameter, []).append(member)
        makers = {one.parameter: one for one in group.producers if one.parameter in shapes}
        weights = {name: one for name, one in makers.items() if len(shapes[name]) > 1} or makers
        scales = {name: one for name, one in makers.items() if name in norms}
        readers = {one.parameter: one for one in group.consumers if len(shapes.get(one.parameter, ())) > 1}
        return UnitSet(
            name=group.name,
            units=group.units,
            scored={name: partial(_arranged, member=member) for name, member in weights.items()},
            masked={name: partial(_spread, members=ones, shape=shapes[name]) for name, ones in by_parameter.items()},
            scales={name: partial(_arranged, member=member) for name, member in scales.items()},
            readers={name: partial(_arranged, member=member) for name, member in readers.items()},
            shape=tuple(shapes[next(iter(weights))]) if weights else (),
            step=math.lcm(step_of(self.round_to, group.width), group.multiple),
            least=math.ceil(self.floor / group.width),
            group=group,
        )


def _modules_of(model: nn.Module, layers: Sequence[PrunableLayer]) -> set[str]:
    """The modules of these layers, by the first name of their weights, as channels know them.

    An output that shares its weight with an embedding is left out: its rows are the model's output, which always stays,
    and the embedding's channels are not its own.
    """
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    names = {layer: first.get(id(model.get_parameter(layer.weight)), layer.weight) for layer in layers}
    return {name.rpartition(".")[0] for layer, name in names.items() if not layer.output or name == layer.weight}


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
