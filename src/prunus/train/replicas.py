"""Networks inside wrappers and beside replicas of themselves: one network, the same masks everywhere."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own network behind `torch.compile`, `DistributedDataParallel` and `DataParallel`."""
    while True:
        if isinstance(model, (DistributedDataParallel, DataParallel)):
            model = model.module
        elif isinstance(compiled := model._modules.get("_orig_mod"), nn.Module):
            model = compiled
        else:
            return model


def agree(gone: Mapping[str, Tensor]) -> None:
    """Where several processes train one network, all take the first one's units, in place: they saw other data."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        for units in gone.values():
            numbers = units.to(torch.uint8)
            dist.broadcast(numbers, src=0)
            units.copy_(numbers.bool())
