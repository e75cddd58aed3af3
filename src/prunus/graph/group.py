"""Coupled channels as plain data: which entries of which tensors come and go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Positions: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Member:
    """A dimension of one parameter or buffer that takes part in a group.

    indices: for each unit of the group, its positions along `dim`.
    """

    parameter: str
    dim: int
    indices: Positions

    @property
    def layer(self) -> str:
        """The module that holds the tensor, or the tensor itself where the model holds it directly."""
        return self.parameter.rpartition(".")[0] or self.parameter


@dataclass(frozen=True)
class Extent:
    """A number that counts units, such as `groups` of a convolution: each unit accounts for its places in it."""

    module: str
    argument: str
    count: int
    indices: Positions


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are pruned unit by unit, each unit as a whole.

    name: after the first layer that makes them, in order of execution.
    producers: entries that make the channel: rows of weights, biases, scale and shift of norms. With all of them zero
    the channel is zero, or no one reads it.
    consumers: entries that read it: input slices of the layers that follow.
    buffers: running means and the like, which are cut along but have no score.
    divisors: what something is divided by, such as variances; cut along, but never set to zero.
    normalised: layers that average over these channels, as layer normalisation does, or take the largest: to remove a
    channel is then not the same as to zero it.
    protected: why no unit may be removed ("model output", "named by the user", the operation that can't be
    followed); None if all but one may.
    """

    name: str
    units: int
    producers: tuple[Member, ...]
    consumers: tuple[Member, ...]
    buffers: tuple[Member, ...] = ()
    divisors: tuple[Member, ...] = ()
    extents: tuple[Extent, ...] = ()
    normalised: tuple[str, ...] = ()
    protected: str | None = None

    @property
    def width(self) -> int:
        """Channels per unit in the layer that makes it first: a head's size, or 1."""
        return max(1, len(self.producers[0].indices[0]))

    @property
    def members(self) -> tuple[Member, ...]:
        """All tensors of the group that may be set to zero."""
        return self.producers + self.consumers + self.buffers
