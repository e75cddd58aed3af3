"""Whether a network can be cut while it trains, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from prunus.errors import PrunusError
from prunus.prune import UnitSet
from prunus.surgery import Surgeon, plan


def surgeon_for(model: nn.Module, unit_sets: Sequence[UnitSet], example_inputs: Tensor) -> Surgeon | None:
    """What cuts a network while it trains; None where it has to stay whole and masked.

    So it has where units are no channels, where half of the channels can't be cut by way of trial (the cut at the end
    of the training then says why), and where the network that is cut would train in another way, without noise that it
    makes in training alone.
    """
    groups = [one.group for one in unit_sets if one.group is not None]
    if not groups or len(groups) < len(unit_sets):
        return None
    half = plan(groups, {group.name: range((group.units + 1) // 2) for group in groups})
    try:
        surgeon = Surgeon(model, example_inputs)
        trial = surgeon.shrink(model, half)
    except PrunusError:
        return None
    return None if trial.fixed_batch or trial.evaluation_only else surgeon
