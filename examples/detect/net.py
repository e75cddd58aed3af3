"""A small detector of torchvision's kind, and images of digits to find."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

SIDE = 48


class Backbone(nn.Sequential):
    """Features (n, 64, height / 8, width / 8)."""

    out_channels = 64

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        super().__init__(*layers)


def build() -> nn.Module:
    """FCOS on features of one level."""
    anchors = AnchorGenerator(sizes=((8,),), aspect_ratios=((1.0,),))
    return FCOS(Backbone(), 11, min_size=SIDE, max_size=SIDE, anchor_generator=anchors, detections_per_img=10)


class ScatteredDigits(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Images (3, side, side) with two digits each, and their boxes and labels from 1."""

    def __init__(self, count: int, seed: int) -> None:
        found = load_digits()
        self.images = torch.as_tensor(found.images, dtype=torch.float32) / 16
        self.classes = torch.as_tensor(found.target)
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        draws = torch.Generator().manual_seed(100_000 * self.seed + index)
        image, boxes, labels = 0.2 * torch.rand(SIDE, SIDE, generator=draws), [], []
        for half in (0, SIDE // 2):
            chosen = int(torch.randint(len(self.images), (), generator=draws))
            digit = self.images[chosen].repeat_interleave(2, 0).repeat_interleave(2, 1)
            top = int(torch.randint(SIDE - 16, (), generator=draws))
            left = half + int(torch.randint(SIDE // 2 - 16, (), generator=draws))
            image[top : top + 16, left : left + 16] += 0.8 * digit
            boxes.append([left, top, left + 16, top + 16])
            labels.append(int(self.classes[chosen]) + 1)
        target = {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}
        return image.clamp(0, 1).expand(3, SIDE, SIDE), target


def load() -> tuple[ScatteredDigits, ScatteredDigits]:
    """What to train on, and what to test on."""
    return ScatteredDigits(240, 0), ScatteredDigits(60, 1)
