"""docs/cli.md has every command with its options, defaults and help, and the exit codes, as the program has them."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperArgument, TyperGroup

from prunus import errors
from prunus.cli.listing import ListedKind
from prunus.cli.main import EXIT_CODES, app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
GIVEN_BY_TYPER = {"--install-completion", "--show-completion"}


def section(title):
    """The text between a heading and the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section {title!r}"
    return found[1]


def rows(text):
    """The rows of all tables, without their heads."""
    return [line for line in text.splitlines() if line.startswith("| ")]


def row(parameter):
    """A parameter's row: how it is written, its default, its help."""
    if isinstance(parameter, TyperArgument):
        name = (parameter.metavar or parameter.name).upper()
        written = name if parameter.required else f"[{name}]"
    else:
        written = " ".join([*parameter.opts, parameter.metavar or ""]).strip()
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    shown = "" if default is None or default is False else f"`{getattr(default, 'value', default)}`"
    if parameter.required:
        shown = "must be given"
    return f"| `{written}` | {shown} | {parameter.help} |"


def table(command):
    return [row(each) for each in command.params if not set(each.opts) & GIVEN_BY_TYPER]


@pytest.mark.parametrize("name", GROUP.commands)
def test_a_command_has_its_section(name):
    text = section(f"prunus {name}")
    assert rows(text)[1:] == table(GROUP.commands[name]), "\n".join(table(GROUP.commands[name]))
    summary = GROUP.commands[name].help.splitlines()[0]
    assert summary in text, f"it does not say: {summary}"


def test_what_stands_before_a_command_has_its_section():
    assert rows(section("prunus"))[1:] == table(GROUP), "\n".join(table(GROUP))


def test_no_section_is_about_a_command_that_is_gone():
    named = set(re.findall(r"^## prunus (\S+)$", PAGE, flags=re.MULTILINE))
    assert named == set(GROUP.commands)


def test_exit_codes_are_those_of_the_errors():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), flags=re.MULTILINE)}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.PrunusError)]
    assert told == {0, 129, 130, 140, 143, *(kind.exit_code for kind in kinds)}
    assert told == {int(code) for code in re.findall(r"(\d+) \w", EXIT_CODES)}


def test_every_kind_of_the_list_is_named():
    assert [kind for kind in ListedKind if f"`{kind}`" not in section("prunus list")] == []
