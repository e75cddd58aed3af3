"""The networks and data of `benchmarks/compress.py`, and what is asked of each compression."""

from __future__ import annotations

import importlib.util
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

    says: network and data in words. network: rows of one name begin with the same trained network. training: how it is
    trained before it is compressed. keep: the margin, in the unit of the task's metric; or target: of the latency, as a
    share of the unpruned one's. budget: for a compression. epochs: of the training after a cut, at most.
    """

    says: str
    network: str
    task: str
    data: Callable[[], Dataset]
    build: Callable[[Dataset], nn.Module]
    training: Training
    keep: float | None = None
    target: float | None = None
    budget: str = "30min"
    batch_sizes: tuple[int, ...] = (1,)
    epochs: int = 100


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


def segmentation_data(count: int = 3000, others: int = 600, kinds: bool = True) -> Dataset:
    """So many images to train on, others to choose by, and as many others to test on.

    kinds: whether digits are told apart; else they are one class beside the ground.
    """
    parts = [scattered_digits(number, seed) for number, seed in ((count, 0), (others, 1), (others, 2))]
    names: tuple[str, ...] = ("ground", *map(str, range(10)))
    if not kinds:
        parts, names = [Split(one.inputs, one.targets.clamp(max=1)) for one in parts], ("ground", "digit")
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


def small_fashion_data() -> Dataset:
    """6,000 inputs of Fashion-MNIST to train on, 2,000 to choose by and 4,000 to test on, at half the size."""
    data = fashion_data()
    assert isinstance(data.train, Split)
    assert isinstance(data.validation, Split)
    assert isinstance(data.test, Split)
    parts = (data.train.head(6000), data.validation.head(2000), data.test.head(4000))
    train, validation, test = (Split(F.avg_pool2d(one.inputs.float() / 255, 2), one.targets) for one in parts)
    return Dataset("fashion-mnist at 14x14", train, test, data.classes, data.mean, data.std, validation)


def vowels_data() -> Dataset:
    """Two vowels of nine speakers, 12 cepstral coefficients at 25 times each (aeon's JapaneseVowels): who speaks?

    The 270 recordings of the training part train; 120 of the test part choose, and 250 test.
    """
    package = importlib.util.find_spec("aeon")
    if package is None or package.submodule_search_locations is None:
        raise SystemExit("The recordings are shipped by aeon; run: pip install --no-deps aeon")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "JapaneseVowels"
    train, others = (_recordings(folder / f"JapaneseVowels_eq_{part}.ts") for part in ("TRAIN", "TEST"))
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(0))
    validation, test = others.take(order[:120]), others.take(order[120:])
    return Dataset("japanese-vowels", train, test, tuple("123456789"), validation=validation)


def _recordings(file: Path) -> Split:
    lines = [line.split(":") for line in file.read_text().splitlines() if line and line[0] not in "@#"]
    values = torch.tensor([[[float(one) for one in row.split(",")] for row in line[:-1]] for line in lines])
    return Split(values, torch.tensor([int(line[-1]) - 1 for line in lines]))


def convolutions(data: Dataset) -> nn.Module:
    """Three convolutions along the time, then the mean over it."""
    channels = data.input_shape[0]
    layers: list[nn.Module] = []
    for before, after in ((channels, 64), (64, 128), (128, 128)):
        layers += [nn.Conv1d(before, after, 5, padding=2, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(128, len(data.classes)))


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
IMAGE_SIZES = (1, 16)
ROWS = {
    "images": Row(
        "ResNet-20, Fashion-MNIST at 14x14",
        "images",
        "classification",
        small_fashion_data,
        resnet20,
        IMAGES.model_copy(update={"epochs": 20}),
        keep=1.0,
        budget="100s",
        batch_sizes=IMAGE_SIZES,
    ),
    "images-half": Row(
        "ResNet-20, Fashion-MNIST at 14x14",
        "images",
        "classification",
        small_fashion_data,
        resnet20,
        IMAGES.model_copy(update={"epochs": 20}),
        target=1 / 2,
        budget="100s",
        batch_sizes=IMAGE_SIZES,
    ),
    "segmentation": Row(
        "U-Net, digits against cluttered ground, 64x64",
        "segmentation",
        "segmentation",
        lambda: segmentation_data(400, 200, kinds=False),
        lambda _: UNet(16, 2),
        SLOWLY.model_copy(update={"epochs": 8, "batch_size": 16}),
        keep=1.0,
        budget="100s",
    ),
    "audio": Row(
        "three 1-D convolutions, vowels of nine speakers",
        "audio",
        "classification",
        vowels_data,
        convolutions,
        Training(epochs=40, batch_size=32, learning_rate_schedule="cosine"),
        keep=3.0,
        budget="40s",
    ),
    "regression": Row(
        "a perceptron, diabetes",
        "regression",
        "regression",
        diabetes_data,
        perceptron,
        Training(epochs=30, batch_size=32, learning_rate_schedule="cosine"),
        keep=0.05,
        budget="40s",
        epochs=20,
    ),
    "characters": Row(
        "a transformer over characters, licences",
        "characters",
        "language-model",
        text_data,
        lambda _: LanguageModel(96, 4, 2),
        SLOWLY.model_copy(update={"epochs": 15}),
        keep=2.0,
        budget="100s",
    ),
}
"""What a single core trains and compresses in minutes."""

FULL_ROWS = {
    "full-images": Row(
        "ResNet-20, Fashion-MNIST",
        "full-images",
        "classification",
        fashion_data,
        resnet20,
        IMAGES,
        keep=1.0,
        batch_sizes=IMAGE_SIZES,
    ),
    "full-images-third": Row(
        "ResNet-20, Fashion-MNIST",
        "full-images",
        "classification",
        fashion_data,
        resnet20,
        IMAGES,
        target=1 / 3,
        batch_sizes=IMAGE_SIZES,
    ),
    "full-segmentation": Row(
        "U-Net, digits on cluttered ground, 64x64",
        "full-segmentation",
        "segmentation",
        segmentation_data,
        lambda _: UNet(),
        SLOWLY,
        keep=1.0,
    ),
    "full-characters": Row(
        "a transformer over characters, licences",
        "full-characters",
        "language-model",
        text_data,
        lambda _: LanguageModel(),
        SLOWLY,
        keep=2.0,
    ),
}
"""The same at lengths at which a compression is used."""
