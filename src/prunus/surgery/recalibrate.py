"""Batch normalisation after a cut: running statistics measured anew on given data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from prunus.errors import InputError
from prunus.graph.trace import as_call
from prunus.surgery.network import GraphNetwork


def recalibrate(model: nn.Module, batches: Iterable[Any]) -> int:
    """Replace the running statistics of every batch normalisation by their average over the batches.

    batches: inputs as the model takes them: a tensor, a tuple or a dictionary each. Weights and mode are left alone.
    Returns the number of batches. Raises `InputError` if there are none.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes = {module: (module.training, getattr(module, "momentum", None)) for module in model.modules()}
    count = 0
    model.eval()
    try:
        for norm in norms:
            norm.train()
        with torch.no_grad():
            for count, batch in enumerate(batches, start=1):
                _set_momentum(model, norms, 1 / count)
                args, kwargs = as_call(batch)
                model(*args, **kwargs)
    finally:
        _set_momentum(model, norms, None)
        for module, (training, momentum) in modes.items():
            module.training = training
            if module in norms:
                module.momentum = momentum
    if not count:
        raise InputError("There are no batches to recalibrate on", "", "give at least one")
    return count


def _set_momentum(model: nn.Module, norms: list[Any], momentum: float | None) -> None:
    """With a momentum of 1/n at the n-th batch, the running value is the average so far."""
    for norm in norms:
        norm.momentum = momentum
    if isinstance(model, GraphNetwork):
        model.recalibrating = momentum
