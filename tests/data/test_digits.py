from __future__ import annotations

import torch

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


def test_no_image_is_in_both_splits() -> None:
    digits = load_data(Part(name="digits"))
    seen = {image.numpy().tobytes() for image in digits.train.inputs}
    assert len(seen) == 1437
    assert not any(image.numpy().tobytes() in seen for image in digits.test.inputs)
