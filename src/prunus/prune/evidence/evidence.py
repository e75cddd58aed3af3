"""The contract of a kind of evidence, also of one that gathers while a network trains, and collecting it on a copy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from prunus.prune.evidence.samples import Samples

Tensors: TypeAlias = dict[str, Tensor]
Collect: TypeAlias = Callable[[nn.Module, Sequence[str], Samples], Tensors]
Collected: TypeAlias = Mapping[str, Tensors]
"""Kind of evidence -> parameter name -> a tensor of the parameter's shape."""


class Gathering(ABC):
    """Gathers evidence of some of a network's parameters; made before its training, on the network that is trained.

    state: all that it has gathered, as tensors under names of its own, of the same shapes from the beginning: what a
    checkpoint holds. Whoever copies or pickles the network copies what gathers on it, too; so it may hold the network,
    but no closures.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.model, self.names = model, tuple(names)
        self.state: Tensors = {}

    @abstractmethod
    def found(self) -> Tensors:
        """Parameter name -> a tensor of its shape. Raises `InputError` where nothing was seen of one of them."""

    def before_gradients(self) -> None:  # noqa: B027  # most do not need all three
        """The weights are now those at which the next gradients are taken."""

    def after_step(self) -> None:  # noqa: B027
        """An optimiser step was taken; its gradients are still there."""

    def stop(self) -> None:  # noqa: B027
        """Nothing more is asked for; leave the network as it was, where it was watched."""


@dataclass(frozen=True)
class Kind:
    """One kind of evidence.

    collect: from a network that may be changed at will, names of its parameters and samples to one tensor of each
    parameter's shape, summed up in `sum_type`. from_data: whether it takes samples.
    while_training: what gathers it instead, step by step, while the network trains.
    """

    collect: Collect | None = None
    from_data: bool = True
    while_training: type[Gathering] | None = None

    def __post_init__(self) -> None:
        if (self.collect is None) == (self.while_training is None):
            raise TypeError("evidence is either collected at once or gathered while training")


def collect(kind: Kind, model: nn.Module, names: Sequence[str], samples: Samples) -> Tensors:
    """Collect one kind for the parameters named; the network is left as it is."""
    from prunus.trace.copying import fresh_copy  # prunus.graph imports torch.export, which takes long

    if kind.collect is None:
        raise TypeError("what gathers while a network trains cannot be collected at once")
    clone = fresh_copy(model)
    for parameter in clone.parameters():
        parameter.grad = None
        parameter.requires_grad_(parameter.is_floating_point())
    device = next(iter(clone.parameters())).device
    return {name: tensor.detach() for name, tensor in kind.collect(clone, names, samples.to(device)).items()}
