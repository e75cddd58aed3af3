from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from prunus.errors import InputError
from prunus.models import build_model, model_names, model_source
from prunus.spec import Part


@pytest.fixture(autouse=True)
def _same_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def mine(folder: Path, text: str, function: str = "make", **settings: object) -> Part:
    (folder / "mine.py").write_text("from torch import nn\n" + text)
    return Part.model_validate({"name": f"{folder}/mine.py:{function}", **settings})


def test_names_are_those_registered_and_what_stands_for_many() -> None:
    assert model_names()[:3] == ("vgg11", "vgg-digits", "vgg-fashion")
    assert model_names()[-4:] == ("torchvision:NAME", "timm:NAME", "hf:FOLDER", "file.py:FUNCTION")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg12", "There is no model 'vgg12'. Did you mean 'vgg11' or 'vgg'"),
        ("resnet18", "Did you mean 'torchvision:resnet18'?"),
        ("torchvison:resnet18", "Did you mean 'torchvision:NAME'"),
        ("hf:bert", "There is no model 'hf:bert'. Bert is no folder with a config.json"),
        ("mine.py", "names no function"),
    ],
)
def test_an_unknown_name_is_answered(name: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(Part(name=name), (3, 32, 32), 10)
    assert expected in str(caught.value)


def test_an_unknown_setting_is_answered() -> None:
    with pytest.raises(InputError, match=r"'vgg-digits' has no setting 'widht'\. Did you mean 'width'"):
        model_source(Part(name="vgg-digits", settings={"widht": 3}))


def test_a_users_function_is_given_what_it_accepts(tmp_path: Path) -> None:
    text = "def make(classes, width=3): return nn.Sequential(nn.Linear(4, width), nn.Linear(width, classes))"
    model = build_model(mine(tmp_path, text, width=6), (4,), 2)
    assert model[0].weight.shape == (6, 4)
    assert model(torch.zeros(3, 4)).shape == (3, 2)


def test_a_class_will_do_and_so_will_no_arguments(tmp_path: Path) -> None:
    text = "class Net(nn.Linear):\n    def __init__(self): super().__init__(4, 2)\n"
    assert build_model(mine(tmp_path, text, "Net"), (4,), 2)(torch.zeros(3, 4)).shape == (3, 2)


def test_the_functions_own_defaults_serve_without_data(tmp_path: Path) -> None:
    text = "def make(input_shape=(1, 4, 4), classes=3): return nn.Identity()\ndef bare(): return nn.Identity()"
    source = model_source(mine(tmp_path, text))
    assert (source.default_input_shape, source.default_classes) == ((1, 4, 4), 3)
    bare = model_source(mine(tmp_path, text, "bare"))
    assert bare.default_classes == 10
    with pytest.raises(InputError, match=r"input shape of .*mine\.py:bare is not known"):
        _ = bare.default_input_shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def make(): return 3", "returned int. A model function returns a torch.nn.Module"),
        ("def make(): return nn.Linear('a', 2)", "Line 2 of mine.py, in make: TypeError"),
        ("def make(width): return nn.Identity()", "missing a required argument: 'width'"),
    ],
)
def test_what_is_wrong_with_a_users_function_is_said(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(mine(tmp_path, text), (4,), 2)
    assert expected.lower() in str(caught.value).lower()
    assert "mine.py:make" in str(caught.value)
