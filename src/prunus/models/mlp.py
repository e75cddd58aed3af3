"""Multi-layer perceptrons."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from prunus.models.source import ModelSource

if TYPE_CHECKING:
    from torch import nn


class Mlp(ModelSource):
    """Linear layers with ReLU between them, on inputs of any shape; hidden: the widths between input and output."""

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (256, 128)

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """Images of MNIST."""
        return (1, 28, 28)

    @property
    def default_classes(self) -> int:
        """Classes of MNIST."""
        return 10

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for samples of that shape."""
        from torch import nn

        widths = (math.prod(input_shape), *self.hidden)
        network = nn.Sequential(nn.Flatten())
        for inside, outside in pairwise(widths):
            network.extend((nn.Linear(inside, outside), nn.ReLU()))
        return network.append(nn.Linear(widths[-1], classes))
