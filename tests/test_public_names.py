"""The table of contents: every public name is there, says what it is, and costs nothing until it is used."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import prunus

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "sklearn", "matplotlib", "pydantic", "typer", "rich")


@pytest.mark.parametrize("name", prunus.__all__)
def test_every_name_resolves_and_says_what_it_is(name):
    value = getattr(prunus, name)
    assert inspect.getdoc(value)
    assert inspect.ismodule(value) or value.__module__.startswith("prunus.")
    assert getattr(prunus, name) is value


@pytest.mark.parametrize("name", [name for name in prunus.__all__ if inspect.isfunction(getattr(prunus, name))])
def test_a_path_may_be_written_as_a_string(name):
    for parameter in inspect.signature(getattr(prunus, name)).parameters.values():
        assert "Path" not in str(parameter.annotation) or "str" in str(parameter.annotation)


def test_dir_shows_the_public_names():
    assert set(prunus.__all__) <= set(dir(prunus))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="prune_chanels"):
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


ROOMS_OF_ITS_OWN = {("load", "prunus.sparse")}
"""`prunus.sparse.load` reads an engine where `prunus.load` reads a network, as the room's name says."""


def test_a_public_name_means_one_thing_in_every_package():
    others = {}
    for package in pkgutil.iter_modules(prunus.__path__, "prunus."):
        module = importlib.import_module(package.name) if package.ispkg else None
        for name in set(getattr(module, "__all__", ())) & set(prunus.__all__):
            if getattr(module, name) is not getattr(prunus, name) and (name, package.name) not in ROOMS_OF_ITS_OWN:
                others[name] = package.name
    assert others == {}
