from __future__ import annotations

import sys
from pathlib import Path

import pytest

from prunus.data import data_names, load_data
from prunus.errors import InputError
from prunus.spec import Part


@pytest.fixture(autouse=True)
def _same_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def mine(folder: Path, text: str, **settings: object) -> Part:
    (folder / "mine.py").write_text("import numpy\nimport torch\nfrom prunus.data import Dataset, Split\n" + text)
    return Part.model_validate({"name": f"{folder}/mine.py:load", **settings})


def test_arrays_tensors_and_lists_will_do(tmp_path: Path) -> None:
    text = "def load(scale=1):\n    return numpy.ones((2, 3)) * scale, torch.tensor([0, 1]), [[1.0, 2.0, 3.0]], [1]\n"
    data = load_data(mine(tmp_path, text, scale=5))
    assert data.train.inputs.tolist() == [[5.0] * 3] * 2
    assert data.test.inputs.tolist() == [[1.0, 2.0, 3.0]]
    assert data.test.targets.tolist() == [1]
    assert data.classes == ("0", "1")
    assert data.name.endswith("mine.py:load")


def test_a_data_set_will_do(tmp_path: Path) -> None:
    text = (
        "def load():\n"
        "    split = Split(torch.zeros(2, 3, dtype=torch.uint8), torch.tensor([0, 1]))\n"
        "    return Dataset('own', split, split, ('no', 'yes'))\n"
    )
    assert load_data(mine(tmp_path, text)).classes == ("no", "yes")


def test_what_the_function_keeps_cannot_change_the_data(tmp_path: Path) -> None:
    text = "x = numpy.zeros((2, 3), numpy.float32)\ndef load(): return x, [0, 1], x, [0, 1]\n"
    data = load_data(mine(tmp_path, text))
    data.train.inputs.add_(1)
    assert data.test.inputs.sum() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def load(): return 3", "returned int. A data function returns a Dataset or (x_train"),
        ("def load(): return 1, 2, 3", "returned a tuple of 3"),
        ("def load(): return [[1.0], [2.0, 3.0]], [0], [[1.0]], [0]", "The array x_train of"),
        ("def load(): return [[1.0]], [0.5], [[1.0]], [0]", "The array y_train of"),
        ("def load(): return [[1.0]], [0], [[1.0]], [0]", "two classes or more"),
        ("def load(): return [[float('inf')], [1.0]], [0, 1], [[1.0]], [0]", "NaN or infinity"),
        ("def load():\n    return open('/no/such/file')", "Line 5 of mine.py, in load: FileNotFoundError"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_data(mine(tmp_path, text))
    assert expected in str(caught.value)
    assert "mine.py:load" in str(caught.value)


def test_a_setting_that_the_function_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no setting 'scael'\. Did you mean 'scale'"):
        load_data(mine(tmp_path, "def load(scale=1): ...", scael=2))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no data set 'digit'\. Did you mean 'digits'\? Known: .*file\.py:FUNCTION"):
        load_data(Part(name="digit"))
    assert data_names()[0] == "digits"
