"""The residual network of He et al., Deep Residual Learning, 2016, section 4.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64)


class ZeroShortcut(nn.Module):
    """Option A: every second pixel, and channels of zeros behind those that are there."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c + added, ⌈h/2⌉, ⌈w/2⌉)."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.added))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, whose result is added to the input, or to a shortcut of it where the width changes."""

    def __init__(self, inside: int, outside: int, projection: bool) -> None:
        super().__init__()
        stride = 1 if inside == outside else 2
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Sequential()
        if inside != outside and projection:
            self.shortcut.append(nn.Conv2d(inside, outside, 1, stride, bias=False)).append(nn.BatchNorm2d(outside))
        elif inside != outside:
            self.shortcut.append(ZeroShortcut(outside - inside))

    def forward(self, x: Tensor) -> Tensor:
        """(n, inside, h, w) to (n, outside, h / stride, w / stride)."""
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class ResidualNetwork(nn.Module):
    """A 3x3 convolution, three stages of blocks, the mean over all pixels, one linear layer."""

    def __init__(self, channels: int, blocks: int, classes: int, projection: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0])
        self.stages = nn.Sequential()
        inside = WIDTHS[0]
        for outside in WIDTHS:
            stage = [ResidualBlock(inside, outside, projection)]
            stage += [ResidualBlock(outside, outside, projection) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            inside = outside
        self.classifier = nn.Linear(inside, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, classes)."""
        x = self.stages(F.relu(self.norm(self.conv(x))))
        logits: Tensor = self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return logits
