"""MNIST and Fashion-MNIST, which share one format."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from prunus.data.dataset import Dataset, DataSource, Split
from prunus.data.files import Download, Files, FromFiles

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def _downloads(server: str, md5s: tuple[str, ...]) -> tuple[Download, ...]:
    return tuple(Download(f"{server}{name}.gz", md5) for name, md5 in zip(NAMES, md5s, strict=True))


class IdxImages(FromFiles, DataSource):
    """Base of data sets in MNIST's format: four IDX files of 28x28 grey pixels, plain or gzipped.

    train_limit, test_limit: take a subset of so many samples, of every class equally many; always the same ones.
    """

    train_limit: int | None = Field(default=None, ge=1)
    test_limit: int | None = Field(default=None, ge=1)

    FILES: ClassVar[Files]
    CLASSES: ClassVar[tuple[str, ...]]
    MEAN_STD: ClassVar[tuple[float, float]]  # of all training pixels

    def load(self) -> Dataset:
        """Bring the data into memory."""
        from prunus.data.cut import limited
        from prunus.data.idx import read_idx

        name = self.FILES.dataset
        paths = self.FILES.find(self.folder, self.download)
        arrays = [read_idx(path, dimensions) for path, dimensions in zip(paths, (3, 1, 3, 1), strict=True)]
        train, test = (Split(arrays[i].unsqueeze(1), arrays[i + 1].long()) for i in (0, 2))
        mean, std = self.MEAN_STD
        return Dataset(
            name,
            limited(train, self.train_limit, f"The training data of {name!r}"),
            limited(test, self.test_limit, f"The test data of {name!r}"),
            self.CLASSES,
            (mean,),
            (std,),
        )


class FashionMnist(IdxImages):
    """Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 grey pixels, 10 kinds of clothes.

    Without `folder` it is looked for where Debian's package `dataset-fashion-mnist` puts it.
    Source: Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747.
    """

    FILES: ClassVar = Files(
        dataset="fashion-mnist",
        names=NAMES,
        downloads=_downloads(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ),
        layouts=("", "FashionMNIST/raw"),
        usual=("/usr/share/datasets/fashion-mnist",),
        elsewhere="on Debian and Ubuntu run: apt install dataset-fashion-mnist",
    )
    CLASSES: ClassVar = FASHION_CLASSES
    MEAN_STD: ClassVar = (0.2860, 0.3530)


class Mnist(IdxImages):
    """MNIST: 60,000 training and 10,000 test images of 28x28 grey pixels, 10 handwritten digits."""

    FILES: ClassVar = Files(
        dataset="mnist",
        names=NAMES,
        downloads=_downloads(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        ),
        layouts=("", "MNIST/raw"),
    )
    CLASSES: ClassVar = tuple("0123456789")
    MEAN_STD: ClassVar = (0.1307, 0.3081)
