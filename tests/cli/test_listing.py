"""`prunus list`."""

import re

import pytest
import typer
from typer.testing import CliRunner

from prunus.cli.listing import FAMILIES, NAMES, ListedKind, lines_of, list_names
from prunus.errors import InputError
from prunus.models import MODELS, model_names
from prunus.prune.criteria import CRITERIA

app = typer.Typer()
app.command()(list_names)


def run(*arguments):
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_everything_has_its_heading_but_the_families():
    lines = run()
    assert [line for line in lines if not line.startswith(" ")] == [kind for kind in ListedKind if kind not in FAMILIES]
    assert all(re.search(r"\S  +\S", line) for line in lines if line.startswith(" ")), "every name says what it is"


def test_a_kind_alone_is_one_line_per_name():
    assert [line.split()[0] for line in run("models")] == list(model_names())
    assert len(run("criteria")) == len(CRITERIA.names())


def test_settings_are_those_of_the_part_in_toml():
    line = next(line for line in run("models") if line.startswith("mlp"))
    assert line.endswith("Settings: hidden = [256, 128].")
    assert MODELS.get("mlp")().hidden == (256, 128)
    assert "file (must be given), classes" in next(line for line in run("data") if line.startswith("npz"))


def test_a_family_lists_what_a_study_can_name():
    assert "torchvision:resnet18" in run("torchvision")


def test_every_kind_can_be_listed():
    assert set(NAMES) == set(ListedKind)


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_gets_lines_that_fit(width):
    lines = list(lines_of([("vgg11", "word " * 40), ("mlp", "")], 2, width))
    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith(" " * 9 + "word")
    assert lines[-1].strip() == "mlp"


@pytest.mark.parametrize(("asked", "said"), [("pattern", "Did you mean 'patterns'?"), ("executors", "Known: ")])
def test_a_kind_that_is_not_listed_is_answered_with_the_nearest(asked, said):
    with pytest.raises(InputError, match=f"There is nothing called '{asked}' to list. ") as caught:
        CliRunner().invoke(app, [asked], catch_exceptions=False)
    assert said in str(caught.value)
