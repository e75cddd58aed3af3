"""Augmentations of training batches, drawn from a generator of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from prunus.registry import Registry
from prunus.spec.part import Frozen


class Augmentation(Frozen, ABC):
    """Changes a batch at random; its fields are its settings."""

    @abstractmethod
    def apply(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """inputs: (n, channels, height, width). Returns the same shape; the argument is left as it is."""


class Flip(Augmentation):
    """Mirrors every image left to right with probability `probability`."""

    probability: float = Field(default=0.5, ge=0, le=1)

    def apply(self, inputs: Tensor, generator: torch.Generator) -> Tensor:  # noqa: D102
        chosen = torch.rand(len(inputs), generator=generator) < self.probability
        return torch.where(chosen.to(inputs.device)[:, None, None, None], inputs.flip(-1), inputs)


class Crop(Augmentation):
    """Pads every image with `padding` pixels of zero and cuts a window of its old size out at a random place."""

    padding: int = Field(default=4, ge=1)

    def apply(self, inputs: Tensor, generator: torch.Generator) -> Tensor:  # noqa: D102
        count, _, height, width = inputs.shape
        padded = F.pad(inputs, [self.padding] * 4)
        top, left = torch.randint(2 * self.padding + 1, (2, count, 1, 1), generator=generator).to(inputs.device)
        rows = top + torch.arange(height, device=inputs.device).view(1, -1, 1)
        columns = left + torch.arange(width, device=inputs.device).view(1, 1, -1)
        images = torch.arange(count, device=inputs.device).view(-1, 1, 1)
        return padded.permute(0, 2, 3, 1)[images, rows, columns].permute(0, 3, 1, 2)


AUGMENTATIONS: Registry[type[Augmentation]] = Registry("augmentation", Augmentation)
AUGMENTATIONS.register("flip", Flip)
AUGMENTATIONS.register("crop", Crop)
