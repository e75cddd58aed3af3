"""Whole networks against published counts and against torch's own, independent counter."""

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunus.cost import count_cost

IMAGE = (1, 3, 224, 224)


@pytest.mark.parametrize(
    ("name", "giga_macs", "parameters"),
    [  # torchvision's model pages: "GFLOPS" there are MACs
        ("resnet18", 1.814, 11_689_512),
        ("resnet50", 4.089, 25_557_032),
        ("vgg11", 7.609, 132_863_336),
        ("mobilenet_v2", 0.301, 3_504_872),
        ("squeezenet1_0", 0.819, 1_248_424),
        ("swin_t", 4.491, 28_288_354),
        ("vit_b_16", 17.564, 86_567_656),
    ],
)
def test_published_counts(name, giga_macs, parameters):
    cost = count_cost(getattr(torchvision.models, name)(weights=None), torch.zeros(IMAGE))
    assert cost.dense_macs / 1e9 == pytest.approx(giga_macs, abs=6e-4)
    assert cost.parameters == parameters
    assert not cost.not_counted


def test_vgg11_for_small_images_by_hand():
    """The reference experiment's network: (in, out, output pixels) of each convolution, then three linear layers."""
    convolutions = [(3, 64, 32), (64, 128, 16), (128, 256, 8), (256, 256, 8), (256, 512, 4), (512, 512, 4)]
    convolutions += [(512, 512, 2), (512, 512, 2)]
    modules: list[nn.Module] = []
    for place, (inputs, outputs, _) in enumerate(convolutions):
        modules += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        if place in (0, 1, 3, 5, 7):
            modules.append(nn.MaxPool2d(2))
    model = nn.Sequential(*modules, nn.Flatten(), nn.Linear(512, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 10))
    cost = count_cost(model, torch.zeros(1, 3, 32, 32))
    by_hand = sum(9 * i * o * size**2 for i, o, size in convolutions) + 512 * 4096 + 4096**2 + 4096 * 10
    assert cost.dense_macs == by_hand == 171_679_744
    assert cost.prunable_weights == 28_133_056


@pytest.mark.parametrize(
    "build",
    [
        lambda: torchvision.models.resnet18(weights=None),
        lambda: torchvision.models.mobilenet_v3_small(weights=None),
        lambda: torchvision.models.densenet121(weights=None),
        lambda: torchvision.models.efficientnet_b0(weights=None),
        lambda: torchvision.models.swin_v2_t(weights=None),
        lambda: torchvision.models.convnext_tiny(weights=None),
        lambda: timm.create_model("resnetv2_50"),
        lambda: timm.create_model("mixer_s32_224"),
        lambda: timm.create_model("levit_128s"),
        lambda: timm.create_model("ghostnet_100"),
        lambda: timm.create_model("hrnet_w18_small"),
    ],
)
def test_agrees_with_torchs_counter(build):
    """It counts two FLOPs per MAC, and lacks fused attention on CPUs, which none of these networks uses."""
    model = build().eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.zeros(IMAGE))
    cost = count_cost(model, torch.zeros(IMAGE))
    assert 2 * cost.dense_macs == counter.get_total_flops()
    assert not cost.not_counted
