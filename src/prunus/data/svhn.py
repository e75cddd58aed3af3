"""Street View House Numbers, cropped digits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from prunus.data.dataset import Dataset, DataSource, Split
from prunus.data.files import Download, Files, FromFiles
from prunus.errors import InputError
from prunus.system.memory import half_of_memory, loading
from prunus.system.reading import refuse_device

BYTES_PER_VALUE = 8  # at most, in a MATLAB file
SERVER = "http://ufldl.stanford.edu/housenumbers/"


class Svhn(FromFiles, DataSource):
    """SVHN: 73,257 training and 26,032 test images of 3x32x32 pixels, 10 digits; pixels in [0, 1], nothing else.

    Source: Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011.
    """

    FILES: ClassVar = Files(
        dataset="svhn",
        names=("train_32x32.mat", "test_32x32.mat"),
        downloads=(
            Download(SERVER + "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            Download(SERVER + "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
    )

    def load(self) -> Dataset:
        """Bring the data into memory."""
        train, test = self.FILES.find(self.folder, self.download)
        return Dataset("svhn", _read(train), _read(test), tuple("0123456789"))


def _read(path: Path) -> Split:
    """X (height, width, channels, n) and y (n, 1) of a MATLAB file; the digit 0 has the label 10 there."""
    import numpy
    import torch
    from scipy.io import loadmat, whosmat

    try:
        refuse_device(path)
        with loading():  # what is compressed may be longer than its shape says
            values = sum(math.prod(shape) for name, shape, _ in whosmat(str(path)) if name in ("X", "y"))
            if values * BYTES_PER_VALUE > half_of_memory():
                raise ValueError(f"it says that it holds {values:,} values")
            content = loadmat(str(path), variable_names=("X", "y"))
        images, labels = content["X"], content["y"].reshape(-1)
    except Exception as error:  # a damaged file fails in many ways inside scipy
        raise _damaged(path, f"{type(error).__name__}: {error}") from None
    if images.dtype != numpy.uint8 or images.ndim != 4 or images.shape[3:] != labels.shape:
        raise _damaged(path, f"X is {images.dtype} {images.shape} and y has {len(labels)} labels")
    targets = torch.from_numpy(labels.astype(numpy.int64))
    targets[targets == 10] = 0
    return Split(torch.from_numpy(numpy.ascontiguousarray(images.transpose(3, 2, 0, 1))), targets)


def _damaged(path: Path, why: str) -> InputError:
    size = path.stat().st_size
    return InputError(
        f"The file {path} ({size} bytes) is damaged or not in SVHN's format", why, "delete it and fetch it again"
    )
