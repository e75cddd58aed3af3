"""Multi-layer perceptrons."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from prunus.models.source import MNIST, OwnModel

if TYPE_CHECKING:
    from torch import nn


class Mlp(OwnModel):
    """Linear layers with ReLU between them, on inputs of any shape; hidden: the widths between input and output."""

    MADE_FOR: ClassVar = MNIST

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (256, 128)

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for samples of that shape."""
        from torch import nn

        widths = (math.prod(input_shape), *self.hidden)
        network = nn.Sequential(nn.Flatten())
        for inside, outside in pairwise(widths):
            network.extend((nn.Linear(inside, outside), nn.ReLU()))
        return network.append(nn.Linear(widths[-1], classes))
