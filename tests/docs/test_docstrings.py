"""What `prunus` exports is described in the sections of its docstring: parameters, fields, results and an example."""

import ast
import dataclasses
import inspect
import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

import prunus

RIDDLE = re.compile(r"Of |Those |The same[,.] |The same (by|of|but|for|with|without|on) |(All|One|Some) of them\b")
"""How a description begins that leaves out what it is of."""
SECTION = r"^{}:\n(.*?)(?=^\w|\Z)"
SHOWN_ELSEWHERE = {"read_study": "run_study", "build_report": "run_study", "sparse.load": "sparse.pack"}
"""What needs a folder or a file that another function writes, whose example shows both."""


def public():
    """Everything public, by name: what is exported, and what `prunus.sparse` exports."""
    named = {name: getattr(prunus, name) for name in prunus.__all__ if not name.startswith("__")}
    sparse = named.pop("sparse")
    return named | {f"sparse.{name}": getattr(sparse, name) for name in sparse.__all__}


CLASSES = {name: one for name, one in public().items() if inspect.isclass(one)}
FUNCTIONS = {name: one for name, one in public().items() if not inspect.isclass(one)}
RECORDS = {name: one for name, one in CLASSES.items() if dataclasses.is_dataclass(one) or issubclass(one, BaseModel)}
ERRORS = {name: one for name, one in CLASSES.items() if issubclass(one, Exception)}
METHODS = {
    f"{name}.{method}": function
    for name, one in CLASSES.items()
    for method, function in vars(one).items()
    if name in ("Pruner", "sparse.Engine", "MemoryHost", "RunningTrial")
    and inspect.isfunction(function)
    and method[0] != "_"
}


def section(one, title):
    """The text below a section's heading; empty without one."""
    found = re.search(SECTION.format(title), inspect.getdoc(one) or "", flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def described(one, title):
    """The names that a section describes, in its order."""
    return re.findall(r"^    (\w+): \S", section(one, title), flags=re.MULTILINE)


def parameters(one):
    return [name for name in inspect.signature(one).parameters if name != "self"]


def test_all_that_is_public_is_looked_at():
    constructed, given = {"Pruner", "MemoryHost", "sparse.Engine"}, {"RunningTrial"}
    assert set(public()) == set(FUNCTIONS) | set(RECORDS) | set(ERRORS) | constructed | given
    assert len(FUNCTIONS) > 20
    assert len(RECORDS) > 20
    assert len(METHODS) > 10


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS, "Pruner", "MemoryHost", "sparse.Engine"])
def test_every_parameter_is_described_in_its_place(name):
    one = (FUNCTIONS | METHODS | CLASSES)[name]
    assert described(one, "Args") == parameters(one)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_returns_and_raises_and_shows_how_it_is_called(name):
    function = FUNCTIONS[name]
    gives = inspect.signature(function).return_annotation not in ("None", None)
    assert bool(section(function, "Returns").strip()) == gives
    takes_anything = bool(parameters(function)) and name != "apply_masks"  # a name that is unknown is a KeyError
    assert bool(described(function, "Raises")) == takes_anything
    example = section(FUNCTIONS[SHOWN_ELSEWHERE.get(name, name)], "Example")
    assert ">>> " in example
    assert f"{name.rpartition('.')[2]}(" in example


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_described_in_its_place(name):
    record = RECORDS[name]
    fields = (
        list(record.model_fields) if issubclass(record, BaseModel) else [f.name for f in dataclasses.fields(record)]
    )
    assert described(record, "Attributes") == fields


@pytest.mark.parametrize("name", [*public(), *METHODS])
def test_a_docstring_begins_with_a_sentence(name):
    first = (inspect.getdoc((public() | METHODS)[name]) or "").splitlines()[0]
    assert re.fullmatch(r"[A-Z`].{10,}[.;:]", first), first


def described_things(tree):
    """Everything that a file describes: the docstrings of functions and classes, and texts below its constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
            yield node.name, text
        if isinstance(node, ast.Module):
            for named, text in pairwise(node.body):
                below = isinstance(named, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr)
                if below and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                    yield ast.unparse(named).partition(" ")[0], text.value.value


def test_no_description_is_a_riddle_without_the_line_above_it():
    found = []
    for file in sorted(Path(prunus.__file__).parent.rglob("*.py")):
        for name, text in described_things(ast.parse(file.read_text())):
            if RIDDLE.match(text):
                found.append(f"{file.name}: {name}: {text.splitlines()[0]}")
    assert found == []
