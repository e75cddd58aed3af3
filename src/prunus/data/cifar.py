"""CIFAR-10 and CIFAR-100, in their binary version.

The better known "python version" is a pickle, and opening a pickle can run whatever code is in it; the binary version
holds the same images as plain records of bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from prunus.data.dataset import Dataset, DataSource, Split
from prunus.data.files import Download, Files, FromFiles
from prunus.errors import InputError
from prunus.system.memory import half_of_memory
from prunus.system.reading import read_whole

SERVER = "https://www.cs.toronto.edu/~kriz/"
SHAPE = (3, 32, 32)
LARGEST_TEXT_BYTES = 1 << 20
COPIES = 18  # six files, each as it was read, as records, and as images


class CifarImages(FromFiles, DataSource):
    """Base of both: records of label bytes, of which the last one counts, and 3x32x32 pixels."""

    FILES: ClassVar[Files]  # training files, then one test file, then one file with the names of the classes
    LABEL_BYTES: ClassVar[int]
    CLASSES: ClassVar[int]
    MEAN_STD: ClassVar[tuple[tuple[float, ...], tuple[float, ...]]]  # of all training pixels, per channel

    def load(self) -> Dataset:
        """Bring the data into memory."""
        import torch

        *images, names = self.FILES.find(self.folder, self.download)
        *train, test = (_read(path, self.LABEL_BYTES) for path in images)
        joined = Split(torch.cat([part.inputs for part in train]), torch.cat([part.targets for part in train]))
        classes = _names(names, self.CLASSES)
        return Dataset(self.FILES.dataset, joined, test, classes, *self.MEAN_STD)


class Cifar10(CifarImages):
    """CIFAR-10: 50,000 training and 10,000 test images of 3x32x32 pixels in 10 classes; the binary version.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    FILES: ClassVar = Files(
        dataset="cifar10",
        names=(*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin", "batches.meta.txt"),
        downloads=(Download(SERVER + "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", archive=True),),
        layouts=("", "cifar-10-batches-bin"),
        unusable={"cifar-10-batches-py": "holds pickles, which can run code; the binary version is needed"},
        elsewhere=f"unpack {SERVER}cifar-10-binary.tar.gz",
    )
    LABEL_BYTES: ClassVar = 1
    CLASSES: ClassVar = 10
    MEAN_STD: ClassVar = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


class Cifar100(CifarImages):
    """CIFAR-100: 50,000 training and 10,000 test images of 3x32x32 pixels in 100 classes; the binary version.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    FILES: ClassVar = Files(
        dataset="cifar100",
        names=("train.bin", "test.bin", "fine_label_names.txt"),
        downloads=(Download(SERVER + "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", archive=True),),
        layouts=("", "cifar-100-binary"),
        unusable={"cifar-100-python": "holds pickles, which can run code; the binary version is needed"},
        elsewhere=f"unpack {SERVER}cifar-100-binary.tar.gz",
    )
    LABEL_BYTES: ClassVar = 2
    CLASSES: ClassVar = 100
    MEAN_STD: ClassVar = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def _names(path: Path, count: int) -> tuple[str, ...]:
    names = read_whole(path, LARGEST_TEXT_BYTES).decode(errors="replace").split()
    if len(names) != count:
        why = f"it holds {len(names)} names of classes, not {count}"
        raise InputError(f"The file {path} is damaged", why, "delete it and fetch it again")
    return tuple(names)


def _read(path: Path, label_bytes: int) -> Split:
    import numpy
    import torch

    content = numpy.frombuffer(read_whole(path, half_of_memory() // COPIES), numpy.uint8).copy()
    record = label_bytes + SHAPE[0] * SHAPE[1] * SHAPE[2]
    if len(content) == 0 or len(content) % record:
        raise InputError(
            f"The file {path} is damaged",
            f"its {len(content)} bytes are not a whole number of records of {record} bytes",
            "delete it and fetch it again",
        )
    records = torch.from_numpy(content.reshape(-1, record))
    return Split(records[:, label_bytes:].reshape(-1, *SHAPE).clone(), records[:, label_bytes - 1].long())
