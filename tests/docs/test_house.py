"""CONTRIBUTING.md and docs/glossary.md name what is there: packages, the order of imports, where words are defined."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from docs.test_registries import REGISTRIES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
PACKAGES = {
    ".".join(file.parent.relative_to(SOURCE).parts): file for file in sorted(SOURCE.glob("prunus/**/__init__.py"))
}
del PACKAGES["prunus"]
ROW = re.compile(r"^\| ([\w -]+?) \| (.+?) \| (`.+`) \|$", flags=re.MULTILINE)
WORDS = {"label", "group", "axis", "unit", "permanence", "recipe", "block", "evidence", "plan", "proof", "way", "lease"}
DEFINED = re.compile(r"`(\w+)` in `([\w.]+)`")


def table_of_packages():
    section = PAGE.split("\n## The house\n")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return [name for cell in first_cells for name in re.findall(r"`([\w.]+)`", cell)]


def test_every_package_is_named_and_no_other():
    assert sorted(table_of_packages()) == sorted(PACKAGES)


def test_the_picture_has_the_floors_of_the_import_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    floors = [set(re.findall(r"prunus\.([\w.]+)", layer)) for layer in layers]
    picture = PAGE.split("```\n")[1]
    names = re.findall(r"(?m)^(\S.*?)   ", picture)
    drawn = [name.replace("/", ".") for line in names for name in re.findall(r"[\w/]+", line)]
    lowest = {name: level for level, floor in enumerate(floors) for name in floor}
    lowest["prune"] = lowest.pop("prune.masks")  # the package without what the contract names of it
    levels = [lowest[name] for name in drawn]
    assert levels == sorted(levels)
    assert set(drawn) == set(lowest)
    assert {name.partition(".")[0] for name in drawn} >= {name.split(".")[1] for name in PACKAGES}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_it_is_for_and_what_stays_out(name):
    text = ast.get_docstring(ast.parse(PACKAGES[name].read_text()))
    assert re.match(r"[A-Z`][^\n]{20,}[.?:]\n", text + "\n"), text
    assert re.search(r"^What stays out: \w[^\n]{10,}", text, flags=re.MULTILINE), text


def test_the_words_of_the_house_are_in_the_glossary():
    terms = [term for term, _, _ in ROW.findall(GLOSSARY)]
    assert set(terms) >= WORDS
    assert len(terms) == len(set(terms))
    heads = GLOSSARY.count("|---|---|---|")
    assert len(terms) + 2 * heads == len(re.findall(r"^\|", GLOSSARY, flags=re.MULTILINE))  # no row is overlooked


@pytest.mark.parametrize("term", ROW.findall(GLOSSARY), ids=lambda row: row[0])
def test_a_word_is_defined_where_the_glossary_says(term):
    _, meaning, places = term
    assert re.fullmatch(r"[A-Z].+\.\)?", meaning)
    found = DEFINED.findall(places)
    assert found
    for name, package in found:
        folder = SOURCE / Path(*package.split("."))
        definition = re.compile(rf"^\s*(?:class {name}\b|def {name}\(|{name}\s*[:=])", flags=re.MULTILINE)
        assert any(definition.search(file.read_text()) for file in folder.rglob("*.py")), f"{name} is not in {package}"


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/README.md", "docs/guide.md", "docs/protocol.md"]
)
def test_the_glossary_is_linked(page):
    assert "glossary.md)" in (ROOT / page).read_text()


def resolves(name):
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[end:])
    return False


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=str
)
def test_names_and_files_that_a_page_speaks_of_are_there(page):
    text = page.read_text()
    groups = {f"prunus.{registry.kind.replace(' ', '_')}" for registry in REGISTRIES}
    names = set(re.findall(r"`(prunus(?:\.\w+)+)", text)) - groups
    assert [name for name in sorted(names) if not resolves(name)] == []
    files = set(re.findall(r"(?:benchmarks|tools)/\w+\.py|`(?:src|native)/[\w./-]+`", text))
    assert [file for file in sorted(files) if not (ROOT / file.strip("`")).exists()] == []
