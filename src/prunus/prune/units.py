"""The units of a pattern: what is scored as one and goes as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from prunus.graph import ChannelGroup

Arrange = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class UnitSet:
    """The units that are ranked against each other in one layer or one group of coupled layers.

    scored: parameter name -> how a tensor of the parameter's shape is arranged as a matrix (units, elements).
    masked: parameter name -> how a boolean vector (units,), True for what stays, becomes a mask of its shape.
    group: the coupled channels behind the units, where units are channels; what it takes to cut them out.
    """

    name: str
    units: int
    scored: Mapping[str, Arrange]
    masked: Mapping[str, Arrange]
    group: ChannelGroup | None = None
