from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from prunus.data import load_data
from prunus.spec import Part


def test_digits_are_split_once_and_for_all() -> None:
    digits = load_data(Part(name="digits"))
    assert digits.train.inputs.shape == (1437, 1, 8, 8)
    assert digits.test.inputs.shape == (360, 1, 8, 8)
    assert digits.train.inputs.dtype == torch.float32
    assert (digits.train.inputs.min(), digits.train.inputs.max()) == (0, 1)
    assert digits.classes == tuple("0123456789")
    assert torch.bincount(digits.test.targets).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    assert digits.fingerprint() == "309ebb04f8c6f995aec21341f536c1c2be0ee63a541facfc5080c70acfd3e7cc"


def test_the_images_are_those_of_scikit_learn() -> None:
    digits, theirs = load_data(Part(name="digits")), load_digits()
    pixels = torch.from_numpy(theirs.images).float().div(16).flatten(1)
    ours = torch.cat((digits.train.inputs, digits.test.inputs)).flatten(1)
    labels = torch.cat((digits.train.targets, digits.test.targets))
    as_rows = [
        torch.cat((x, y[:, None].float()), 1) for x, y in ((ours, labels), (pixels, torch.tensor(theirs.target)))
    ]
    assert sorted(as_rows[0].tolist()) == sorted(as_rows[1].tolist())


def test_no_image_is_in_both_splits() -> None:
    digits = load_data(Part(name="digits"))
    seen = {image.numpy().tobytes() for image in digits.train.inputs}
    assert len(seen) == 1437
    assert not any(image.numpy().tobytes() in seen for image in digits.test.inputs)
