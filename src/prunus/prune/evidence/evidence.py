"""The contract of a kind of evidence, and collecting it on a copy of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from prunus.prune.evidence.samples import Samples

Tensors: TypeAlias = dict[str, Tensor]
Collect: TypeAlias = Callable[[nn.Module, Sequence[str], Samples], Tensors]
Collected: TypeAlias = Mapping[str, Tensors]
"""Kind of evidence -> parameter name -> a tensor of the parameter's shape."""


@dataclass(frozen=True)
class Kind:
    """One kind of evidence.

    collect: from a network that may be changed at will, names of its parameters and samples to one tensor of each
    parameter's shape; None where it gathers while the network trains, step by step.
    from_data: whether it takes samples.
    """

    collect: Collect | None
    from_data: bool = True


def collect(kind: Kind, model: nn.Module, names: Sequence[str], samples: Samples) -> Tensors:
    """Collect one kind for the parameters named; the network is left as it is."""
    from prunus.graph.copying import fresh_copy  # prunus.graph imports torch.export, which takes long

    if kind.collect is None:
        return {}
    twin = fresh_copy(model)
    for parameter in twin.parameters():
        parameter.grad = None
        parameter.requires_grad_(parameter.is_floating_point())
    device = next(iter(twin.parameters())).device
    return {name: tensor.detach() for name, tensor in kind.collect(twin, names, samples.to(device)).items()}
