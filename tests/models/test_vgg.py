from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunus.data import load_data
from prunus.errors import InputError
from prunus.models import build_model
from prunus.spec import Part


def build(name: str, shape: tuple[int, ...], classes: int = 10, **settings: object) -> nn.Module:
    return build_model(Part.model_validate({"name": name, **settings}), shape, classes)


def layers(model: nn.Module) -> str:
    words = {
        nn.Conv2d: lambda m: f"{m.in_channels}-{m.out_channels}",
        nn.Linear: lambda m: f"{m.in_features}-{m.out_features}",
        nn.MaxPool2d: lambda m: "M",
        nn.ReLU: lambda m: "R",
    }
    return " ".join(words[type(module)](module) for module in model.modules() if type(module) in words)


def test_vgg11_is_the_network_of_the_reference_experiment() -> None:
    with torch.device("meta"):
        model = build("vgg11", (3, 32, 32))
    weights = sum(parameter.numel() for name, parameter in model.named_parameters() if name.endswith("weight"))
    assert weights == 28_133_056
    convolutions = "3-64 R M 64-128 R M 128-256 R 256-256 R M 256-512 R 512-512 R M 512-512 R 512-512 R M"
    assert layers(model) == convolutions + " 512-4096 R 4096-4096 R 4096-10"
    assert {module.kernel_size for module in model.modules() if isinstance(module, nn.Conv2d)} == {(3, 3)}


def test_vgg_digits_is_small_and_has_two_linear_layers() -> None:
    model = build("vgg-digits", (1, 8, 8))
    assert layers(model) == "1-32 R M 32-32 R M 32-64 R 256-64 R 64-10"
    assert sum(parameter.numel() for parameter in model.parameters()) == 45_162


def test_vgg_fashion_is_small_and_has_two_linear_layers() -> None:
    model = build("vgg-fashion", (1, 28, 28))
    assert layers(model) == "1-16 R M 16-32 R M 32-64 R M 576-128 R 128-10"
    assert sum(parameter.numel() for parameter in model.parameters()) == 98_442


def test_width_scales_every_layer_but_the_output() -> None:
    assert layers(build("vgg-digits", (1, 8, 8), width=3)) == "1-3 R M 3-3 R M 3-6 R 24-6 R 6-10"


def test_a_plan_of_ones_own() -> None:
    model = build("vgg", (2, 6, 9), classes=3, plan=[4, "M", 5], linear=[])
    assert layers(model) == "2-4 R M 4-5 R 60-3"  # 5 channels of 3x4 pixels
    assert model(torch.zeros(2, 2, 6, 9)).shape == (2, 3)


@pytest.mark.parametrize("plan", [[4, "m"], [0], [-3], [2.5]])
def test_a_plan_that_cannot_be_is_refused(plan: list[object]) -> None:
    with pytest.raises(InputError, match="The model 'vgg' cannot be used with plan"):
        build("vgg", (3, 8, 8), plan=plan)


def test_too_small_images_are_refused_with_the_size_needed() -> None:
    with pytest.raises(InputError, match=r"'vgg11' cannot be built for images of 1x28x28.*need at least 32x32"):
        build("vgg11", (1, 28, 28))


def test_inputs_that_are_no_images_are_refused() -> None:
    with pytest.raises(InputError, match=r"for inputs of 64.*It takes images"):
        build("vgg-digits", (64,))


def test_vgg_digits_learns_the_digits() -> None:
    torch.manual_seed(0)
    digits = load_data(Part(name="digits"))
    model = build("vgg-digits", (1, 8, 8))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(10):
        for batch in torch.randperm(len(digits.train)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(digits.train.inputs[batch]), digits.train.targets[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        right = (model(digits.test.inputs).argmax(1) == digits.test.targets).float().mean()
    assert right > 0.9  # 94 to 96 % after 10 epochs, about 98 % after 50
