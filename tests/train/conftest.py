import pytest
import torch
from torch import nn

from prunus.data import Dataset, Split


@pytest.fixture
def dataset():
    """Forty 6x6 images of two classes, bright left or bright right, and twenty to test."""
    draws = torch.Generator().manual_seed(0)

    def split(count):
        targets = torch.arange(count) % 2
        images = torch.rand(count, 1, 6, 6, generator=draws)
        images[targets == 0, :, :, :3] += 1
        images[targets == 1, :, :, 3:] += 1
        return Split(images, targets)

    return Dataset("sides", split(41), split(20), ("left", "right"))


@pytest.fixture
def network():
    """A small network with everything that makes resuming hard: BatchNorm, dropout."""

    def build(seed=0):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 2)
        )

    return build
