"""LeNet-5."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar

from prunus.errors import InputError
from prunus.models.source import MNIST, OwnModel, image_shape

if TYPE_CHECKING:
    from torch import nn

FULL_SIDE = 32  # pixels; smaller images are padded by 2 on each side, as 28x28 was in 1998


class Lenet5(OwnModel):
    """LeNet-5 (LeCun et al., 1998) with ReLU and max-pooling: 6 and 16 channels, then 120, 84 and the classes."""

    MADE_FOR: ClassVar = MNIST

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images."""
        from torch import nn

        channels, height, width = image_shape("lenet5", input_shape)
        padding = 2 if min(height, width) < FULL_SIDE else 0
        rows, columns = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width))
        if min(rows, columns) < 1:
            why = "its two 5x5 convolutions and poolings need at least 12x12 pixels"
            raise InputError(f"The model 'lenet5' cannot be built for images of {height}x{width}", why, "")
        features = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        classifier = nn.Sequential(
            nn.Linear(16 * rows * columns, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
        )
        return nn.Sequential(OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier))
