"""A few hundred inputs with their targets, and the loss: what evidence from data is collected on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.errors import InputError
from prunus.prune.precision import sum_type, widen_model, widened

Loss: TypeAlias = Callable[[Any, Any], Tensor]
MOST_INPUTS = 256


@dataclass(frozen=True)
class Samples:
    """Batches of (inputs, targets); inputs are a tensor, a tuple of positional or a dictionary of named arguments.

    loss: from what the network returns and the targets to the mean over the batch.
    loss_of: from the network, inputs and targets to the same, for networks that are given their targets.
    """

    batches: tuple[tuple[Any, Any], ...] = ()
    loss: Loss = F.cross_entropy
    loss_of: Callable[[nn.Module, Any, Any], Tensor] | None = None

    @classmethod
    def of(cls, batches: Iterable[tuple[Any, Any]], loss: Loss = F.cross_entropy, most: int = MOST_INPUTS) -> Samples:
        """The first batches, such as a data loader's, that hold `most` inputs together.

        Raises `InputError` for what are no batches, and where there are none.
        """
        taken, count = [], 0
        for batch in _iterated(batches):
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise _no_pairs(f"a batch of them is of type {type(batch).__name__}")
            taken.append((batch[0], batch[1]))
            count += _size(batch[0])
            if count >= most:
                break
        if not taken:
            raise InputError("There are no samples", "not one batch was given", "give batches of (inputs, targets)")
        return cls(tuple(taken), loss)

    def to(self, device: torch.device) -> Samples:
        """The samples on a device."""
        return replace(self, batches=tree_map_only(Tensor, partial(Tensor.to, device=device), self.batches))

    def widened(self) -> Samples:
        """The samples, in float32 where they are in half precision."""
        return replace(self, batches=tree_map_only(Tensor, widened, self.batches))

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
            yield self._loss_of(model, inputs, targets) * (_size(inputs) / len(self))

    def _loss_of(self, model: nn.Module, inputs: Any, targets: Any) -> Tensor:
        try:
            if self.loss_of is not None:
                return self.loss_of(model, inputs, targets)
            return self.loss(call(model, inputs), targets)
        except (TypeError, ValueError, RuntimeError, AttributeError, LookupError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise InputError(
                "The loss of the samples cannot be computed",
                (str(error).strip() or type(error).__name__).splitlines()[0],
                "give samples whose inputs the network takes, and loss= of what it returns and the targets",
            ) from error


def call(model: nn.Module, inputs: Any) -> Any:
    """Run a network on inputs as `Samples` holds them."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def totals_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Zeros of the parameters' shapes, to sum up in."""
    return [torch.zeros_like(one, dtype=sum_type(one.device)) for one in parameters]


def for_gradients(model: nn.Module, samples: Samples) -> Samples:
    """Bring a network and the samples into float32 where they are in half precision, in which gradients vanish."""
    widen_model(model)
    return samples.widened()


def batch_statistics(model: nn.Module) -> nn.Module:
    """The network in the mode in which gradients are taken: norms over the batch as in training, without dropout."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return model


def _iterated(batches: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    if isinstance(batches, Tensor) or not isinstance(batches, Iterable):
        raise _no_pairs(f"they are of type {type(batches).__name__}")
    return iter(batches)


def _size(inputs: Any) -> int:
    leaves = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor) and leaf.dim()]
    if not leaves:
        raise _no_pairs(f"the inputs of a batch are of type {type(inputs).__name__}, without tensors")
    return int(leaves[0].shape[0])


def _no_pairs(why: str) -> InputError:
    return InputError(
        "The samples are no batches of (inputs, targets)",
        why,
        "give a list or a data loader of such pairs; inputs may be a tensor, a tuple or a dictionary of tensors",
    )
