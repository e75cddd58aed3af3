"""Residual networks for 32x32 images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from prunus.models.source import CIFAR10, OwnModel, image_shape

if TYPE_CHECKING:
    from torch import nn


class CifarResnet(OwnModel):
    """Base of He et al., Deep Residual Learning, 2016, section 4.2: three stages of 16, 32 and 64 channels.

    shortcut: what joins stages of different width. `zeros`, the paper's option A, as it used on CIFAR: every second
    pixel, with channels of zeros added. `projection`, its option B: a 1x1 convolution and batch normalisation.
    """

    MADE_FOR: ClassVar = CIFAR10

    BLOCKS: ClassVar[int]  # per stage

    shortcut: Literal["zeros", "projection"] = "zeros"

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for these images; any size will do."""
        from prunus.models.resnet_network import ResidualNetwork

        channels, _, _ = image_shape("resnet", input_shape)
        return ResidualNetwork(channels, self.BLOCKS, classes, projection=self.shortcut == "projection")


class Resnet20(CifarResnet):
    """ResNet-20 for CIFAR (He et al., 2016): 0.27 million parameters."""

    BLOCKS: ClassVar = 3


class Resnet56(CifarResnet):
    """ResNet-56 for CIFAR (He et al., 2016): 0.85 million parameters."""

    BLOCKS: ClassVar = 9
