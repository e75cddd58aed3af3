"""A few hundred inputs with their targets, and the loss: what evidence from data is collected on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

Loss: TypeAlias = Callable[[Any, Any], Tensor]
MOST_INPUTS = 256


@dataclass(frozen=True)
class Samples:
    """Batches of (inputs, targets); inputs are a tensor, a tuple of positional or a dictionary of named arguments.

    loss: from what the network returns and the targets to the mean over the batch.
    """

    batches: tuple[tuple[Any, Any], ...] = ()
    loss: Loss = F.cross_entropy

    @classmethod
    def of(cls, batches: Iterable[tuple[Any, Any]], loss: Loss = F.cross_entropy, most: int = MOST_INPUTS) -> Samples:
        """The first batches, such as a data loader's, that hold `most` inputs together."""
        taken, count = [], 0
        for inputs, targets in batches:
            taken.append((inputs, targets))
            count += _size(inputs)
            if count >= most:
                break
        return cls(tuple(taken), loss)

    def to(self, device: torch.device) -> Samples:
        """The same on a device."""
        return replace(self, batches=tree_map_only(Tensor, partial(Tensor.to, device=device), self.batches))

    def __len__(self) -> int:
        return sum(_size(inputs) for inputs, _ in self.batches)

    def first(self, count: int) -> Samples:
        """The first inputs alone, one to a batch."""
        singles = (
            tree_map_only(Tensor, partial(Tensor.narrow, dim=0, start=at, length=1), batch)
            for batch in self.batches
            for at in range(_size(batch[0]))
        )
        return replace(self, batches=tuple(islice(singles, count)))

    def weighed_losses(self, model: nn.Module) -> Iterable[Tensor]:
        """Each batch's loss times its share of all inputs: they sum up to the mean loss."""
        for inputs, targets in self.batches:
            yield self.loss(call(model, inputs), targets) * (_size(inputs) / len(self))


def call(model: nn.Module, inputs: Any) -> Any:
    """Run a network on inputs as `Samples` holds them."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def batch_statistics(model: nn.Module) -> nn.Module:
    """The network in the mode in which gradients are taken: norms over the batch as in training, without dropout."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return model


def _size(inputs: Any) -> int:
    return int(tree_leaves(inputs)[0].shape[0])
