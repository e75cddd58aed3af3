"""Handwritten digits that come with this package."""

from __future__ import annotations

from importlib.resources import files

from prunus.data.dataset import Dataset, DataSource, Split

TEST_SAMPLES = 360


class Digits(DataSource):
    """Handwritten digits: 1,797 images of 8x8 pixels in 10 classes; 1,437 to train, 360 to test, no download.

    Pixels, 0 to 16, are divided by 16: float32 (n, 1, 8, 8). The split is fixed, each class in proportion.
    The same as scikit-learn's `load_digits`, which takes a second to import: the test set of Alpaydin and Kaynak,
    Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (CC BY 4.0).
    """

    def load(self) -> Dataset:
        """Bring the data into memory."""
        import numpy
        import torch

        from prunus.data.cut import choose, fixed_order, proportional_counts

        with (files("prunus.data") / "digits.npz").open("rb") as file:
            arrays = dict(numpy.load(file, allow_pickle=False))
        inputs = torch.from_numpy(arrays["images"]).float().div_(16).unsqueeze(1)
        samples = Split(inputs, torch.from_numpy(arrays["digits"]).long())
        counts = proportional_counts(torch.bincount(samples.targets).tolist(), TEST_SAMPLES)
        test = choose(samples.targets, counts, fixed_order(len(samples)))
        return Dataset("digits", samples.take(~test), samples.take(test), tuple("0123456789"))
