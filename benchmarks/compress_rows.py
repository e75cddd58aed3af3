"""The networks and data of `benchmarks/compress.py`, and what is asked of each compression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import prunus
from prunus.data import Dataset, Split
from prunus.spec import Part, Training

TEXTS = Path("/usr/share/common-licenses")
"""Texts that Debian ships with every installation."""
SIDE, DIGITS = 64, 4
LENGTH, VOCABULARY = 64, 96


@dataclass(frozen=True)
class Row:
    """A network, its data and its task, and what is asked.

    keep: the margin, in the unit of the task's metric; or target: of the latency, as a share of the unpruned one's.
    training: how the network is trained before it is compressed.
    """

    task: str
    data: Callable[[], Dataset]
    build: Callable[[Dataset], nn.Module]
    training: Training
    keep: float | None = None
    target: float | None = None


class UNet(nn.Module):
    """Three scales, two convolutions at each (Ronneberger et al., 2015)."""

    def __init__(self, width: int = 24, classes: int = 11) -> None:
        super().__init__()
        sizes = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(_double(before, after) for before, after in zip((1, *sizes), sizes, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * one, one, 2, stride=2) for one in sizes[-2::-1])
        self.merge = nn.ModuleList(_double(2 * one, one) for one in sizes[-2::-1])
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, classes, height, width)."""
        skipped = []
        for number, step in enumerate(self.down):
            x = step(x if number == 0 else F.max_pool2d(x, 2))
            skipped.append(x)
        for up, merge, other in zip(self.up, self.merge, skipped[-2::-1], strict=True):
            x = merge(torch.cat([up(x), other], 1))
        scores: Tensor = self.out(x)
        return scores


def _double(before: int, after: int) -> nn.Sequential:
    one = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*one, nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class LanguageModel(nn.Module):
    """A causal transformer over characters, normalised before each part."""

    def __init__(self, width: int = 128, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

    def forward(self, ids: Tensor) -> Tensor:
        """Scores (n, length, vocabulary)."""
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.out(self.norm(x))
        return scores


class Block(nn.Module):
    """Attention, and a perceptron of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.size = width // heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.back = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width)."""
        y = self.before(x)
        parts = (one(y).unflatten(2, (-1, self.size)).transpose(1, 2) for one in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.back(y)
        return x + self.narrow(F.gelu(self.wide(self.after(x))))


def scattered_digits(count: int, seed: int) -> Split:
    """Digits on cluttered ground, and the class of every pixel: 0 for the ground, 1 to 10 for the digits."""
    draws = torch.Generator().manual_seed(seed)
    source = prunus.load_data(Part(name="digits"))
    part = source.train if seed == 0 else source.test
    images = part.inputs.float() / part.inputs.max()
    ground = F.interpolate(torch.rand(count, 1, SIDE // 4, SIDE // 4, generator=draws), size=SIDE, mode="bilinear")
    inputs = 0.4 * ground + 0.2 * torch.rand(count, 1, SIDE, SIDE, generator=draws)
    targets = torch.zeros(count, SIDE, SIDE, dtype=torch.int64)
    for number in range(count):
        for _ in range(DIGITS):
            chosen = int(torch.randint(len(images), (), generator=draws))
            size = int(torch.randint(14, 26, (), generator=draws))
            top, left = (int(torch.randint(SIDE - size, (), generator=draws)) for _ in range(2))
            drawn = F.interpolate(images[chosen][None], size=size, mode="bilinear")[0]
            inputs[number, :, top : top + size, left : left + size] += 0.6 * drawn
            inside = targets[number, top : top + size, left : left + size]
            inside[drawn[0] > 0.4] = int(part.targets[chosen]) + 1
    return Split(inputs.clamp(0, 1), targets)


def segmentation_data() -> Dataset:
    """3,000 images to train on, 600 to choose by and 600 to test on."""
    names = ("ground", *map(str, range(10)))
    parts = [scattered_digits(count, seed) for count, seed in ((3000, 0), (600, 1), (600, 2))]
    return Dataset("scattered-digits", parts[0], parts[2], names, validation=parts[1])


def text_data() -> Dataset:
    """Windows of licences, character by character; the last tenths of each text choose and test."""
    parts: list[list[Tensor]] = [[], [], []]
    for file in sorted(path for path in TEXTS.iterdir() if path.is_file() and not path.is_symlink()):
        ids = torch.tensor([min(max(ord(one) - 31, 0), VOCABULARY - 1) for one in file.read_text("latin-1")])
        windows = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
        first, second = int(0.8 * len(windows)), int(0.9 * len(windows))
        for part, found in zip(parts, (windows[:first], windows[first:second], windows[second:]), strict=True):
            part.append(found)
    train, validation, test = (Split(one[:, :-1], one[:, 1:]) for one in map(torch.cat, parts))
    return Dataset("licences", train, test, (), validation=validation)


def diabetes_data() -> Dataset:
    """scikit-learn's 442 patients, ten numbers each, and how their illness went on."""
    from sklearn.datasets import load_diabetes

    x, y = (torch.tensor(one, dtype=torch.float32) for one in load_diabetes(return_X_y=True))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = (one[order] for one in ((x - x.mean(0)) / x.std(0), ((y - y.mean()) / y.std())[:, None]))
    return Dataset(
        "diabetes", Split(x[:262], y[:262]), Split(x[352:], y[352:]), (), validation=Split(x[262:352], y[262:352])
    )


def fashion_data() -> Dataset:
    """Fashion-MNIST, with 6,000 inputs to choose by that no network is trained on."""
    data = prunus.load_data(Part(name="fashion-mnist"))
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    train, validation = data.train.take(order[6000:]), data.train.take(order[:6000])
    return Dataset(data.name, train, data.test, data.classes, data.mean, data.std, validation)


def resnet20(data: Dataset) -> nn.Module:
    """ResNet-20 (He et al., 2016)."""
    return prunus.build_model(Part(name="resnet20"), data.input_shape, len(data.classes))


def perceptron(data: Dataset) -> nn.Module:
    """Two hidden layers."""
    width = data.input_shape[0]
    return nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))


IMAGES = Training(
    epochs=60,
    optimizer=Part(name="sgd", settings={"weight_decay": 5e-4}),
    learning_rate=0.1,
    learning_rate_schedule="cosine",
    augment=(Part(name="crop", settings={"padding": 2}), Part(name="flip")),
)
SLOWLY = Training(epochs=40, learning_rate=2e-3, learning_rate_schedule="cosine", batch_size=32)
ROWS = {
    "resnet20": Row("classification", fashion_data, resnet20, IMAGES, keep=1.0),
    "resnet20-third": Row("classification", fashion_data, resnet20, IMAGES, target=1 / 3),
    "unet": Row("segmentation", segmentation_data, lambda _: UNet(), SLOWLY, keep=1.0),
    "diabetes": Row("regression", diabetes_data, perceptron, Training(epochs=60, batch_size=32), keep=0.05),
    "characters": Row("language-model", text_data, lambda _: LanguageModel(), SLOWLY, keep=2.0),
}
