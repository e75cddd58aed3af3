from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from prunus.data import Dataset, Split
from prunus.errors import InputError
from prunus.models import build_model, check_fits
from prunus.spec import Part


def data(*shape: int, classes: int = 3) -> Dataset:
    split = Split(torch.rand(4, *shape), torch.zeros(4, dtype=torch.int64))
    return Dataset("mine", split, split, tuple(str(index) for index in range(classes)))


class Turned(nn.Linear):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"features": x, "scores": super().forward(x)}


class Words(nn.Linear):
    def forward(self, x: torch.Tensor) -> dict[str, str]:
        return {"scores": "high"}


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        (nn.Conv2d(3, 3, 3), data(1, 8, 8), "samples have the shape 1x8x8, its first layer '' takes 3 channels"),
        (
            nn.Sequential(nn.Linear(5, 3)),
            data(4),
            "its first layer '0' takes 5 values, and running it failed with: RuntimeError: mat1",
        ),
        (
            nn.Bilinear(2, 2, 3),
            data(4),
            "says what it takes, and running it failed with: TypeError: Bilinear",
        ),
        (nn.Linear(4, 5), data(4), "there are 3 classes, so 2 samples must give 2x3, and they give 2x5"),
        (nn.Linear(4, 3), data(2, 4), "must give 2x3, and they give 2x2x3"),
        (Words(4, 3), data(4), "returns a dictionary of scores, without a tensor"),
        (Turned(4, 3), data(4), "must give 2x3, and they give 2x4"),
    ],
)
def test_what_does_not_fit_is_said(model: nn.Module, dataset: Dataset, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        check_fits(model, dataset, "small")
    assert expected.lower() in str(caught.value).lower()
    assert str(caught.value).startswith("The model 'small' does not fit the data set 'mine'.")


def test_nothing_changes_by_the_check() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    dataset = data(4)
    state = torch.get_rng_state()
    check_fits(model, dataset, "small")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_inputs_are_prepared_first() -> None:
    split = Split(torch.zeros(1, 4, dtype=torch.uint8), torch.tensor([0]))
    check_fits(nn.Linear(4, 2), Dataset("one", split, split, ("a", "b")), "small")


def test_the_line_of_a_users_own_network_is_named(tmp_path: Path) -> None:
    lines = ("from torch import nn", "class Net(nn.Module):", "    def forward(self, x):", "        return {}['key']")
    (tmp_path / "mine.py").write_text("\n".join(lines))
    dataset = data(4)
    with pytest.raises(InputError, match=r"line 4 of mine\.py, in forward: KeyError: 'key'"):
        check_fits(build_model(Part(name=f"{tmp_path}/mine.py:Net"), (4,), 3), dataset)
