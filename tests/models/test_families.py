from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from prunus.errors import InputError, MissingError
from prunus.models import FAMILIES, build_model, family_names, model_source
from prunus.spec import Part

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


def part(name: str, **settings: object) -> Part:
    return Part.model_validate({"name": name, **settings})


def test_torchvision_builds_with_as_many_classes_as_asked() -> None:
    model = build_model(part("torchvision:squeezenet1_1"), (3, 64, 64), 7)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_settings_are_passed_on() -> None:
    model = build_model(part("torchvision:mobilenet_v2", width_mult=0.25), (3, 32, 32), 10)
    assert model.features[0][0].out_channels == 8  # 32 · 0.25


def test_a_network_with_side_outputs_gives_one_tensor_while_it_trains() -> None:
    model = build_model(part("torchvision:googlenet"), (3, 64, 64), 10)
    assert model.training
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "settings", "shape"),
    [
        ("torchvision:resnet18", {}, (3, 224, 224)),
        ("torchvision:inception_v3", {}, (3, 299, 299)),
        ("torchvision:vit_b_16", {"image_size": 64}, (3, 64, 64)),
        pytest.param("timm:efficientnet_b1", {}, (3, 240, 240), marks=needs_timm),
        pytest.param("timm:mixer_b16_224", {}, (3, 224, 224), marks=needs_timm),
    ],
)
def test_networks_have_the_input_they_were_published_for(
    name: str, settings: dict[str, object], shape: tuple[int, ...]
) -> None:
    assert model_source(part(name, **settings)).default_input_shape == shape


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            part("torchvision:resnet81"),
            "Torchvision does not have it. Did you mean 'resnet",
        ),
        (part("torchvision:fcn_resnet50"), "no model 'torchvision:fcn_resnet50'"),
        (part("torchvision:xxxxxxxxxxxx"), "look for it in its list"),
        (part("torchvision:resnet18", weights_backbone=True), "no setting 'weights_backbone'"),
        (part("torchvision:resnet18", widht=2), "cannot be built. ResNet.__init__() got an unexpected"),
        (part("torchvision:resnet18", groups=2), "cannot be built. BasicBlock only supports groups=1"),
    ],
)
def test_what_torchvision_cannot_do_is_said(wanted: Part, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(wanted, (3, 32, 32), 10)
    assert expected.lower() in str(caught.value).lower()


@needs_timm
def test_timm_adapts_to_the_channels_of_the_data() -> None:
    model = build_model(part("timm:resnet10t"), (1, 64, 64), 5)
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 5)


@needs_timm
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (part("timm:resnet81"), "no model 'timm:resnet81'. Timm does not have it. Did you mean 'resnet"),
        (part("timm:resnet18", pretrained=True), "no setting 'pretrained'"),
        (part("timm:resnet18", widht=2), "'timm:resnet18' cannot be built. ResNet.__init__() got an unexpected"),
    ],
)
def test_what_timm_cannot_do_is_said(wanted: Part, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(wanted, (3, 32, 32), 10)
    assert expected in str(caught.value)


LOADING = [
    {"checkpoint_path": "weights.pth"},
    {"pretrained": True},
    {"Pretrained": 1},
    {"pretrained_cfg": {"file": "weights.pth"}},
    {"pretrained_cfg": "a1_in1k"},
    {"pretrained_cfg_overlay": {"url": "http://example.org/weights.pth"}},
    {"pretrained_cfg_overlay": {"file": "weights.pth", "state_dict": None}},
    {"cache_dir": "/tmp"},
    {"Weights": "DEFAULT"},
    {"file": "weights.pth"},
    {"anything": "weights"},
    {"anything": {"num": 1}},
    {"anything": [[1, ["weights.pth"]]]},
    {"act_layer": "/tmp/weights.pth"},
    {"act_layer": "hf-hub:someone/something"},
    {"act_layer": "../weights"},
    {"norm_kwargs": {"file": "weights"}},
    {"norm_kwargs": {"act_layer": {"deeper": {"file": "weights"}}}},
]


@pytest.mark.parametrize("settings", LOADING, ids=str)
@pytest.mark.parametrize("family", FAMILIES.names())
def test_no_setting_has_a_library_load_a_file_or_an_address(family: str, settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"names no files to a library|could name a file"):
        model_source(part(f"{family}:resnet18", **settings))


@pytest.mark.parametrize("family", FAMILIES.names())
def test_weights_are_a_file_for_prunus_and_never_reach_a_library(family: str) -> None:
    assert model_source(part(f"{family}:resnet18", weights="DEFAULT")) == model_source(part(f"{family}:resnet18"))


@needs_timm
@pytest.mark.parametrize("name", ["hf-hub:someone/resnet18", "local-dir:/tmp/resnet18", "resnet18.hf-hub:a/b"])
def test_no_name_has_timm_look_elsewhere(name: str) -> None:
    with pytest.raises(InputError, match="Timm does not have it"):
        build_model(part(f"timm:{name}"), (3, 32, 32), 10)


@needs_timm
def test_words_that_say_how_a_network_is_built_pass() -> None:
    wanted = part("timm:resnet10t", act_layer="gelu", global_pool="avg", drop_rate=0.1)
    model = build_model(wanted, (3, 64, 64), 5)
    assert any("GELU" in type(module).__name__ for module in model.modules())


def test_without_timm_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # how Python marks a package that cannot be imported
    with pytest.raises(MissingError, match=r"timm is not installed.*pip install timm"):
        build_model(part("timm:resnet18"), (3, 32, 32), 10)
    assert model_source(part("torchvision:resnet18")).default_classes == 1000


def test_the_names_of_a_family_are_those_a_study_can_use() -> None:
    names = family_names("torchvision")
    assert "torchvision:resnet18" in names
    assert "torchvision:fcn_resnet50" not in names
    with pytest.raises(InputError, match=r"no model family 'torchvison'. Did you mean 'torchvision'"):
        family_names("torchvison")
