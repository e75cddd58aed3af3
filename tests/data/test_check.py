from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from prunus.data import Dataset, Split
from prunus.data.check import check
from prunus.errors import InputError

GOOD = Dataset(
    "mine",
    Split(torch.zeros(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])),
    Split(torch.zeros(2, 3, 2, 2), torch.tensor([2, 1])),
    ("a", "b", "c"),
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)


def test_a_good_data_set_is_returned_as_it_is() -> None:
    assert check(GOOD) is GOOD
    assert check(replace(GOOD, train=Split(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), GOOD.train.targets)))


def train(inputs: Any = GOOD.train.inputs, targets: Any = GOOD.train.targets) -> dict[str, Any]:
    return {"train": Split(inputs, targets)}


NAN = torch.zeros(4, 3, 2, 2)
NAN[2, 1, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"classes": ("a",)}, "two classes or more"),
        ({"classes": ("a", "b", "a")}, "different names"),
        ({"classes": (0, 1, 2)}, "make each of them a string"),
        ({"test": (GOOD.test.inputs, GOOD.test.targets)}, "its test data are no prunus.data.Split but tuple"),
        (train(inputs=[[0.0]]), "the training inputs are no tensor in main memory but list"),
        (train(inputs=torch.zeros(4, 3, 2, 2, device="meta")), "but meta"),
        (train(inputs=torch.zeros(4, 3, 2, 2, dtype=torch.float64)), "training inputs are torch.float64"),
        (train(targets=torch.zeros(4, dtype=torch.int32)), "training targets are torch.int32"),
        (train(inputs=torch.zeros(4)), "training inputs have the shape 4."),
        (train(inputs=torch.zeros(0, 3, 2, 2), targets=torch.zeros(0, dtype=torch.int64)), "shape 0x3x2x2"),
        (train(targets=torch.tensor([0, 1])), "training targets have the shape 2 for 4 samples"),
        (train(targets=torch.tensor([0, 1, 3, 4])), "training target 3 (sample 2) is none of its 3 classes"),
        (train(targets=torch.tensor([0, 1, 2, -1])), "training target -1 (sample 3)"),
        (train(inputs=NAN), "hold NaN or infinity (first in sample 2)"),
        (train(inputs=torch.zeros(4, 3, 4, 4)), "training samples have the shape 3x4x4, test samples 3x2x2"),
        ({"test": Split(GOOD.test.inputs, torch.tensor([7, 1]))}, "test target 7 (sample 0)"),
        ({"mean": None}, "mean and std belong together"),
        ({"mean": (0.0,)}, "mean has 1 and std 3 numbers for 3 channels"),
        ({"std": (1.0, 0.0, 1.0)}, "must be above 0"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        check(replace(GOOD, **change))
    assert expected.lower() in str(caught.value).lower()
    assert "The data set 'mine' cannot be used" in str(caught.value)
