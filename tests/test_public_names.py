"""The table of contents: every public name is there, says what it is, and costs nothing until it is used."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import prunus

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "sklearn", "matplotlib", "pydantic", "typer", "rich")
SOURCE = ast.parse(Path(prunus.__file__).read_text())


@pytest.mark.parametrize("name", prunus.__all__)
def test_every_name_resolves_and_says_what_it_is(name):
    value = getattr(prunus, name)
    assert inspect.getdoc(value)
    assert value.__module__.startswith("prunus.")
    assert getattr(prunus, name) is value


@pytest.mark.parametrize("name", [name for name in prunus.__all__ if inspect.isfunction(getattr(prunus, name))])
def test_a_path_may_be_written_as_a_string(name):
    for parameter in inspect.signature(getattr(prunus, name)).parameters.values():
        assert "Path" not in str(parameter.annotation) or "str" in str(parameter.annotation)


def test_what_is_typed_is_what_is_there():
    typed = {
        (statement.module, alias.name)
        for block in SOURCE.body
        if isinstance(block, ast.If)
        for statement in block.body
        for alias in statement.names
    }
    assert {name for _, name in typed} == set(prunus.__all__)
    assert typed == {(module, name) for name, module in prunus._PLACES.items()}
    assert prunus.__all__ == sorted(prunus.__all__)


def test_dir_shows_the_public_names():
    assert set(prunus.__all__) <= set(dir(prunus))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'prune_chanels'"):
        prunus.prune_chanels  # noqa: B018


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import prunus; dir(prunus), prunus.__version__", []),
        ("import prunus; prunus.load_study('digits')", ["pydantic"]),
        ("from prunus.cli import main", ["typer"]),
    ],
)
def test_importing_imports_nothing_heavy(code, imported):
    code += f"; import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) <= set(imported)
