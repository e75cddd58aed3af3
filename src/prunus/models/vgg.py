"""VGG networks: 3x3 convolutions and 2x2 max-pooling, then linear layers; ReLU, no normalisation, no dropout."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from prunus.errors import InputError
from prunus.models.source import CIFAR10, MNIST, OwnModel, image_shape

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1)]
Plan = tuple[Width | Literal["M"], ...]


class Vgg(OwnModel):
    """A VGG (Simonyan and Zisserman, 2015) of your own plan.

    plan: output channels of each convolution, in order, and "M" for a max-pooling; linear: widths between the
    convolutions and the output; batch_norm: a batch normalisation behind each convolution, in place of its bias.
    """

    MADE_FOR: ClassVar = CIFAR10

    plan: Plan = (32, "M", 64, "M")
    linear: tuple[Width, ...] = (128,)
    batch_norm: bool = False

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images."""
        return vgg("vgg", self.plan, self.linear, input_shape, classes, self.batch_norm)


class Vgg11(OwnModel):
    """VGG11 for 32x32 images with 28,133,056 weights: linear layers 512-4096-4096-10, no dropout."""

    MADE_FOR: ClassVar = CIFAR10

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images."""
        plan: Plan = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
        return vgg("vgg11", plan, (4096, 4096), input_shape, classes)


class VggDigits(OwnModel):
    """A VGG of 8x8 images: three convolutions, 45,162 parameters; width: channels of the first convolution.

    Trained on `digits` for 50 epochs it gets about 98 % right.
    """

    MADE_FOR: ClassVar = ((1, 8, 8), 10)

    width: Width = 32

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images."""
        w = self.width
        return vgg("vgg-digits", (w, "M", w, "M", 2 * w), (2 * w,), input_shape, classes)


class VggFashion(OwnModel):
    """A VGG of 28x28 images: three convolutions, 98,442 parameters; width: channels of the first convolution.

    Trained on 6,000 images of `fashion-mnist` for 50 epochs it gets about 87 % right.
    """

    MADE_FOR: ClassVar = MNIST

    width: Width = 16

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images."""
        w = self.width
        return vgg("vgg-fashion", (w, "M", 2 * w, "M", 4 * w, "M"), (8 * w,), input_shape, classes)


def vgg(
    name: str,
    plan: Plan,
    linear: tuple[int, ...],
    input_shape: tuple[int, ...],
    classes: int,
    batch_norm: bool = False,
) -> nn.Module:
    """Lay the plan out for images of that shape, with the weights that torch's layers start from."""
    from torch import nn

    channels, height, width = image_shape(name, input_shape)
    shrink = 2 ** plan.count("M")
    if height < shrink or width < shrink:
        raise InputError(
            f"The model {name!r} cannot be built for images of {channels}x{height}x{width}",
            f"its {plan.count('M')} poolings of 2 need at least {shrink}x{shrink} pixels",
            "choose larger images or a smaller model",
        )
    features = nn.Sequential()
    for step in plan:
        if step == "M":
            features.append(nn.MaxPool2d(2))
        else:
            features.append(nn.Conv2d(channels, step, 3, padding=1, bias=not batch_norm))
            features.extend((nn.BatchNorm2d(step), nn.ReLU()) if batch_norm else (nn.ReLU(),))
            channels = step
    widths = (channels * (height // shrink) * (width // shrink), *linear)
    classifier = nn.Sequential()
    for inside, outside in pairwise(widths):
        classifier.extend((nn.Linear(inside, outside), nn.ReLU()))
    classifier.append(nn.Linear(widths[-1], classes))
    return nn.Sequential(OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier))
