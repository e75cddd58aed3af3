"""A tiny network and tiny data for every task, as users would write them: `task_networks.py:NAME` and `NAME_data`."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import prunus
from prunus.spec import Metric
from prunus.tasks import Task


def seeded(seed):
    return torch.Generator().manual_seed(seed)


class Absolute(Task):
    """A task of a user's own, in degrees."""

    power: float = 1.0
    metric: ClassVar[Metric] = Metric(name="mean error", unit="°C", higher_is_better=False, margin=0.1)

    def loss(self, outputs, targets):
        return (outputs[:, 0] - targets).abs().pow(self.power).mean()

    def measures(self, dataset):
        from torchmetrics import MeanAbsoluteError

        return {"mean error": MeanAbsoluteError()}

    def measured(self, outputs, targets):
        return outputs[:, 0], targets

    def output_size(self, dataset):
        return 1


def layers(input_shape, classes):
    return nn.Sequential(nn.Linear(input_shape[0], 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, classes))


def numbers():
    x = torch.randn(40, 6, generator=seeded(0))
    return x, x[:, 0] - 2 * x[:, 1], x, x[:, 0] - 2 * x[:, 1]


def labels():
    x = torch.randn(40, 6, generator=seeded(0))
    return x, (x[:, :3] > 0).long(), x, (x[:, :3] > 0).long()


class TwoInputs(nn.Module):
    """Takes its inputs by name, and returns a dictionary."""

    def __init__(self, classes):
        super().__init__()
        self.left, self.right, self.out = nn.Linear(4, 8), nn.Linear(5, 8), nn.Linear(8, classes)

    def forward(self, left, right):
        return {"features": left, "logits": self.out(torch.relu(self.left(left) + self.right(right)))}


class Pairs(Dataset):
    classes: ClassVar = ["neither", "one", "both"]

    def __len__(self):
        return 30

    def __getitem__(self, index):
        left, right = torch.randn(4, generator=seeded(index)), torch.randn(5, generator=seeded(index + 99))
        return {"left": left, "right": right, "labels": int(left[0] > 0) + int(right[0] > 0)}


def pairs():
    return Pairs(), DataLoader(Pairs(), batch_size=10)


def pixels(classes):
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, classes, 1))


class Scenes(Dataset):
    classes: ClassVar = ["ground", "thing"]

    def __len__(self):
        return 24

    def __getitem__(self, index):
        image = torch.rand(1, 6, 6, generator=seeded(index))
        target = (image[0] > 0.5).long()
        target[0] = 255
        return image, target


def scenes():
    return DataLoader(Scenes(), batch_size=8, shuffle=True, num_workers=1), Scenes(), Scenes()


class NextToken(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.out = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 9)

    def forward(self, input_ids, attention_mask):
        hidden = torch.relu(self.hidden(self.table(input_ids) * attention_mask[..., None]))
        return self.out(hidden), hidden


def padded(samples):
    longest = max(map(len, samples))
    ids = torch.zeros(len(samples), longest, dtype=torch.long)
    for row, sample in zip(ids, samples, strict=True):
        row[: len(sample)] = sample
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


class Sentences(IterableDataset):
    """In its own order, divided among workers, and without a length."""

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, 24, step):
            yield 1 + (torch.arange(3 + index % 4) + index) % 8


def sentences():
    return DataLoader(Sentences(), 8, collate_fn=padded, num_workers=2), DataLoader(Sentences(), 8, collate_fn=padded)


class Backbone(nn.Sequential):
    out_channels = 32

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 32, 3, 2, 1), nn.ReLU())

    def forward(self, images):
        return {"0": super().forward(images)}


def detector():
    from torchvision.models.detection import FCOS
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    anchors = AnchorGenerator(((8,),), ((1.0,),))
    return FCOS(Backbone(), num_classes=3, anchor_generator=anchors, min_size=32, max_size=32)


class Boxes(Dataset):
    classes: ClassVar = ["nothing", "small", "large"]

    def __len__(self):
        return 6

    def __getitem__(self, index):
        image, size = torch.rand(3, 32, 32, generator=seeded(index)), 8 + 8 * (index % 2)
        image[:, 4 : 4 + size, 4 : 4 + size] = 1
        return image, {
            "boxes": torch.tensor([[4.0, 4.0, 4.0 + size, 4.0 + size]]),
            "labels": torch.tensor([1 + index % 2]),
        }


def boxes():
    return Boxes(), Boxes()


def in_memory():
    x = torch.randn(40, 6, generator=seeded(0))
    return prunus.Dataset(
        "own", prunus.Split(x, (x[:, 0] > 0).long()), prunus.Split(x, (x[:, 0] > 0).long()), ("a", "b")
    )
