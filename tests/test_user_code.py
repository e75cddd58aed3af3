from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from prunus.errors import InputError, MissingError
from prunus.system.user_code import is_reference, load_function


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.fixture(autouse=True)
def _same_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_function_is_called_with_its_settings(tmp_path: Path) -> None:
    load = load_function(write(tmp_path, "def double(x, *, plus=1):\n    return 2 * x + plus\n") + ":double")
    assert load(x=3) == 7
    assert load(x=3, plus=0) == 6


def test_a_name_with_a_python_file_is_a_reference() -> None:
    assert is_reference("my/file.py:load")
    assert is_reference("my/file.py")
    assert not is_reference("torchvision:resnet18")
    assert not is_reference("digits")


def test_what_is_accepted_is_read_from_the_signature(tmp_path: Path) -> None:
    path = write(tmp_path, "def one(a, /, b, *, c=3): ...\ndef two(**anything): ...\n")
    one, two = load_function(f"{path}:one"), load_function(f"{path}:two")
    assert [one.accepts(key) for key in "abcd"] == [False, True, True, False]
    assert two.accepts("whatever")
    assert one.default("c") == 3
    assert one.default("b") is None


def test_neighbours_can_be_imported_but_do_not_shadow_the_library(tmp_path: Path) -> None:
    write(tmp_path, "value = 5\n", "neighbour_of_mine.py")
    write(tmp_path, "raise RuntimeError('shadowed')\n", "colorsys.py")
    path = write(tmp_path, "import colorsys, neighbour_of_mine\ndef f(): return neighbour_of_mine.value\n")
    assert load_function(f"{path}:f")() == 5


def test_a_file_runs_once_until_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "class Thing: ...\ndef f(): return Thing()\n")
    first, again = load_function(f"{path}:f"), load_function(f"{path}:f")
    assert type(first()) is type(again())
    assert type(pickle.loads(pickle.dumps(first()))) is type(first())
    changed = load_function(write(tmp_path, "def f(): return 2\n") + ":f")
    assert changed() == 2
    assert changed.file_digest != first.file_digest


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("def load(): ...", "{path}", "names no function"),
        ("def load(): ...", "{path}:", "names no function"),
        ("def load_mine(): ...", "{path}:load_mien", "no function 'load_mien'. Did you mean 'load_mine'"),
        ("load = min", "{path}:load", "cannot be called"),
        ("load = 3", "{path}:load", "cannot be called. It is int"),
        ("def load(:\n  pass", "{path}:load", "cannot be imported. Line 1 of mine.py: SyntaxError"),
        (
            "\nimport no_such_package",
            "{path}:load",
            "Line 2 of mine.py: ModuleNotFoundError: No module named 'no_such",
        ),
        ("raise SystemExit(3)", "{path}:load", "Line 1 of mine.py: SystemExit: 3"),
        ("import asyncio; raise asyncio.CancelledError", "{path}:load", "Line 1 of mine.py: CancelledError"),
        ("def load(): ...", "{path}x.py:load", "No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, reference: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_function(reference.format(path=path))
    assert expected in str(caught.value)
    assert "mine.py" in str(caught.value)


def test_a_failed_import_is_tried_again(tmp_path: Path) -> None:
    path = write(tmp_path, "import os\ndef f(): return 1\nif 'PRUNUS_TEST_FAIL' in os.environ: raise ValueError\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNUS_TEST_FAIL", "1")
        with pytest.raises(InputError, match=r"Line 3 of mine\.py: ValueError"):
            load_function(f"{path}:f")
    assert load_function(f"{path}:f")() == 1


def test_errors_inside_the_function_name_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "import json\ndef f(text):\n    return json.loads(text)\n")
    with pytest.raises(InputError, match=r"f failed. Line 3 of mine\.py, in f: JSONDecodeError: Expecting") as caught:
        load_function(f"{path}:f")(text="{")
    assert caught.value.__cause__ is not None


def test_only_the_first_line_of_a_long_message_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "def f():\n    raise ValueError('first\\nsecond')\n")
    with pytest.raises(InputError) as caught:
        load_function(f"{path}:f")()
    assert str(caught.value).endswith("f failed. Line 2 of mine.py, in f: ValueError: first. Correct it.")


def test_the_file_has_only_its_own_future_imports(tmp_path: Path) -> None:
    path = write(tmp_path, "def f(x: int): ...\n")
    assert load_function(f"{path}:f").signature.parameters["x"].annotation is int


def test_errors_raised_on_purpose_pass(tmp_path: Path) -> None:
    path = write(tmp_path, "from prunus.errors import MissingError\ndef f(): raise MissingError('No disk')\n")
    with pytest.raises(MissingError, match="No disk"):
        load_function(f"{path}:f")()


def test_settings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    load = load_function(write(tmp_path, "def f(width, depth=2): return width * depth\n") + ":f")
    with pytest.raises(InputError, match=r"has no setting 'widht'. Did you mean 'width'"):
        load(widht=3)
    with pytest.raises(InputError, match="Missing a required argument: 'width'"):
        load(depth=3)
