"""Tiny files of every format, written by the tests so that every source can be tested without a download."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from scipy.io import savemat

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def pixels(seed: int, *shape: int) -> numpy.ndarray[Any, Any]:
    return numpy.random.RandomState(seed).randint(0, 256, shape).astype(numpy.uint8)


def labels(samples: int, classes: int = 10) -> numpy.ndarray[Any, Any]:
    """0, 1, 2, ... and again."""
    return (numpy.arange(samples) % classes).astype(numpy.uint8)


def idx(array: numpy.ndarray[Any, Any]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(numpy.uint8).tobytes()


def write_mnist(folder: Path, compressed: bool = False, train: int = 20, test: int = 10) -> Path:
    arrays = (pixels(1, train, 28, 28), labels(train), pixels(2, test, 28, 28), labels(test))
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX, arrays, strict=True):
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return folder


def write_svhn(folder: Path, samples: int = 12) -> Path:
    """Labels 1 to 10, where 10 is the digit 0."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("train_32x32.mat", "test_32x32.mat")):
        content = {"X": pixels(seed, 32, 32, 3, samples), "y": (labels(samples) + 1).reshape(-1, 1)}
        savemat(folder / name, content, do_compression=True)
    return folder


def write_cifar10(folder: Path, samples: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        records = numpy.hstack([labels(samples).reshape(-1, 1), pixels(seed, samples, 3072)])
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"thing{i}" for i in range(10)) + "\n\n")
    return folder


def write_cifar100(folder: Path, samples: int = 4) -> Path:
    """The coarse label is 7 throughout, the fine label counts down from 99."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("train.bin", "test.bin")):
        coarse, fine = numpy.full(samples, 7), 99 - numpy.arange(samples)
        records = numpy.column_stack([coarse, fine, pixels(seed, samples, 3072)]).astype(numpy.uint8)
        (folder / name).write_bytes(records.tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(f"thing{i}" for i in range(100)) + "\n")
    return folder


def write_images(folder: Path, samples: int = 2) -> Path:
    """Plain colours: train/red, train/blue and the same to test, 4 high and 6 wide."""
    for part in ("train", "test"):
        for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
            (folder / part / name).mkdir(parents=True)
            for number in range(samples):
                Image.new("RGB", (6, 4), colour).save(folder / part / name / f"{number}.png")
    return folder


def write_hf_dataset(folder: Path) -> str:
    """Six samples and three of three numbers each; skips the test where Hugging Face's library is not installed."""
    datasets = pytest.importorskip("datasets")
    columns = {"x": [[float(n), 0.5, -1.0] for n in range(6)], "y": [n % 2 for n in range(6)]}
    kinds = {"x": datasets.Sequence(datasets.Value("float32")), "y": datasets.ClassLabel(names=["even", "odd"])}
    whole = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    datasets.DatasetDict({"train": whole, "test": whole.select(range(3))}).save_to_disk(folder / "saved")
    return str(folder / "saved")


def write_npz(path: Path) -> Path:
    arrays = {"x_train": pixels(1, 6, 1, 4, 4), "x_test": pixels(2, 3, 1, 4, 4)}
    numpy.savez(path, **arrays, y_train=labels(6, 3), y_test=labels(3, 3))
    return path


def write_function(path: Path) -> Path:
    path.write_text(
        "import torch\n"
        "def load(samples=6):\n"
        "    inputs = torch.arange(samples * 4.0).view(samples, 4)\n"
        "    targets = torch.arange(samples) % 2\n"
        "    return inputs, targets, inputs + 1, targets\n"
    )
    return path
