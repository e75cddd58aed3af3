"""Batch normalisation after a cut: running statistics measured anew on given data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels.network import GraphNetwork
from prunus.errors import InputError, NotFiniteError
from prunus.prune.precision import sum_type
from prunus.trace.trace import as_call


@dataclass
class _Averages:
    """The average of each running statistic over all batches, summed up in double precision.

    Each norm has a momentum of 1, so that what it holds after a call is what that batch has.
    """

    sums: dict[int, tuple[Tensor, Tensor, int]] = field(default_factory=dict)

    def add(self, *statistics: Tensor | None) -> None:
        for held in statistics:
            if held is not None:
                found = held.detach().to(sum_type(held.device))
                _, total, count = self.sums.get(id(held), (held, torch.zeros_like(found), 0))
                self.sums[id(held)] = held, total + found, count + 1

    def write(self, model: nn.Module) -> None:
        """Into the buffers that they are of. Raises `NotFiniteError`, which names the buffer."""
        for held, total, count in self.sums.values():
            held.copy_(total / count)
            if not held.isfinite().all():
                name = next(name for name, buffer in model.named_buffers() if buffer is held)
                raise NotFiniteError(
                    f"The statistics {name!r} are not finite on these batches",
                    f"values are NaN or infinite before that layer, or beyond the largest number of {held.dtype}",
                    "look for such values in the batches and in the weights, or recalibrate in float32",
                )


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[Any]) -> int:
    """Replace the running statistics of every batch normalisation by their average over the batches.

    Weights and mode are left alone. The model has the statistics that it had where anything is raised.

    Args:
        model: the network, changed in place.
        batches: inputs as the model takes them: a tensor, a tuple or a dictionary each.

    Returns:
        The number of batches.

    Raises:
        InputError: there are no batches.
        NotFiniteError: statistics are NaN or infinite.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> recalibrate(norm, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
        2
        >>> norm.running_mean
        tensor([4.])
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes = {module: (module.training, getattr(module, "momentum", None)) for module in model.modules()}
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    averages, count = _Averages(), 0
    handles = [norm.register_forward_hook(lambda n, *_: averages.add(n.running_mean, n.running_var)) for norm in norms]
    model.eval()
    try:
        _watch(model, norms, averages)
        for batch in batches:
            count += 1
            args, kwargs = as_call(batch)
            model(*args, **kwargs)
        averages.write(model)
    except BaseException:
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
        raise
    finally:
        for handle in handles:
            handle.remove()
        if isinstance(model, GraphNetwork):
            model.recalibrating = None
        for module, (training, momentum) in modes.items():
            module.training = training
            if module in norms:
                module.momentum = momentum
    if not count:
        raise InputError("There are no batches to recalibrate on", "", "give at least one")
    return count


def _watch(model: nn.Module, norms: list[Any], averages: _Averages) -> None:
    """Have each batch normalisation take over the statistics of every batch, and show them."""
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    if isinstance(model, GraphNetwork):
        model.recalibrating = averages.add
