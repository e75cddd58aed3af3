"""`prunus show` and `prunus report`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from prunus.cli.report import report
from prunus.cli.show import show
from prunus.errors import InputError, StoreError
from report.made_study import Made, made_study, with_text

app = typer.Typer()
app.command()(show)
app.command()(report)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Made(overrides=("rates=[0,0.8]", "seeds=[0,1]", "training.epochs=3"), failed=(2,), running=(3,))
    return made_study(tmp_path_factory.mktemp("study"), made)


def run(*words: object):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_the_table_has_every_recipe_at_every_rate(study: Path) -> None:
    result = run("show", study)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rate", "trials", "accuracy,", "%", "points", "zero", "%", "MACs", "%", "BOPs", "%",
                                "size", "latency"]  # fmt: skip
    assert [line for line in lines if line.startswith(("unpruned", "structured", "reference-structured-protected"))]
    assert any(line.split()[:2] == ["0.8", "1+1!/2"] for line in lines)
    assert "The loss became NaN in epoch 17" in result.stdout.replace("\n", " ").replace("  ", " ")
    assert all(len(line) <= 80 for line in lines)


def test_how_far_the_study_is_goes_to_standard_error(study: Path) -> None:
    result = run("show", study)
    assert "10 of 12 trials finished, 1 failed, 1 still to come" in result.stderr.replace("\n", " ")
    assert "still to come" not in result.stdout


def test_json_is_one_document(study: Path) -> None:
    document = json.loads(run("show", study, "--json").stdout)
    assert document["trials"] == {"planned": 12, "finished": 10, "failed": 1, "unfinished": 1}
    assert [(cell["recipe"], cell["rate"]) for cell in document["cells"]][:2] == [
        (None, 0.0),
        ("reference-unstructured", 0.8),
    ]
    assert document["failed"][0]["kind"] == "not_finite"


def test_csv_has_a_row_per_cell(study: Path) -> None:
    rows = list(csv.DictReader(run("show", study, "--csv").stdout.splitlines()))
    assert [row["recipe"] for row in rows] == [
        "unpruned",
        "reference-unstructured",
        "reference-structured",
        "reference-structured-protected",
        "unstructured",
        "structured",
    ]
    assert float(rows[0]["accuracy, % (measured)"]) > 50


def test_names_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    made = Made(overrides=("rates=[0,0.8]", "seeds=[0,1]", "training.epochs=3"), failed=(2,))
    folder = made_study(tmp_path, made, lambda row: with_text(row, "\x1b[2J[bold]\r\u202e"))
    for words in ((), ("--csv",), ("--json",)):
        result = run("show", folder, *words)
        assert not set(result.stdout + result.stderr) & {"\x1b", "\r", "\u202e"}
    assert "[bold]" in run("show", folder).stdout  # a name is not markup


def test_json_and_csv_exclude_each_other(study: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        CliRunner().invoke(app, ["show", str(study), "--json", "--csv"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_folder_without_a_study_is_refused(command: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no study"):
        CliRunner().invoke(app, [command, str(tmp_path)], catch_exceptions=False)


def test_report_prints_where_the_page_is(study: Path) -> None:
    assert run("report", study).stdout == f"{study / 'report.html'}\n"
    assert (study / "report.html").is_file()
