from __future__ import annotations

import pytest
import torch
from torch import nn

from prunus.errors import InputError
from prunus.models import build_model
from prunus.models.resnet_network import ZeroShortcut
from prunus.spec import Part


def build(name: str, shape: tuple[int, ...], classes: int = 10, **settings: object) -> nn.Module:
    return build_model(Part.model_validate({"name": name, **settings}), shape, classes)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_mlp_takes_any_shape() -> None:
    model = build("mlp", (2, 3), classes=4, hidden=[5])
    assert parameters(model) == (6 * 5 + 5) + (5 * 4 + 4)
    assert model(torch.zeros(7, 2, 3)).shape == (7, 4)
    assert parameters(build("mlp", (6,), classes=4, hidden=[])) == 6 * 4 + 4


@pytest.mark.parametrize(("shape", "expected"), [((1, 28, 28), 61_706), ((1, 32, 32), 61_706), ((3, 32, 32), 62_006)])
def test_lenet5_has_the_published_number_of_parameters(shape: tuple[int, ...], expected: int) -> None:
    assert parameters(build("lenet5", shape)) == expected


def test_lenet5_takes_the_smallest_images_it_can() -> None:
    assert build("lenet5", (1, 12, 12))(torch.zeros(2, 1, 12, 12)).shape == (2, 10)
    with pytest.raises(InputError, match="'lenet5' cannot be built for images of 11x12"):
        build("lenet5", (1, 11, 12))


@pytest.mark.parametrize(
    ("name", "shortcut", "expected"),
    [
        ("resnet20", "zeros", 269_722),  # 0.27 million in He et al., table 6
        ("resnet20", "projection", 272_474),
        ("resnet56", "zeros", 853_018),  # 0.85 million
        ("resnet56", "projection", 855_770),
    ],
)
def test_resnets_have_the_published_number_of_parameters(name: str, shortcut: str, expected: int) -> None:
    model = build(name, (3, 32, 32), shortcut=shortcut)
    assert parameters(model) == expected
    depth = sum(isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3) for module in model.modules())
    assert f"resnet{depth + 1}" == name  # the linear layer counts


def test_the_shortcut_of_zeros_takes_every_second_pixel() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    out = ZeroShortcut(2)(x)
    assert out.tolist() == [[[[0, 2], [6, 8]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]
    assert build("resnet20", (1, 9, 7))(torch.zeros(2, 1, 9, 7)).shape == (2, 10)
