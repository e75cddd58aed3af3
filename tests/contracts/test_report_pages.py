"""What every page of the report has to do, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.report.content import Block, Page, charts_in, tables_in
from prunus.report.drawing import Drawing, styled
from prunus.report.findings import Findings
from prunus.report.names import file_name
from prunus.report.pages import PAGES
from prunus.report.palette import Palette
from prunus.store import StudyRows, read_study
from report.changed import with_recipes, with_seeds, without
from report.made_study import Made, made_study

TABLES = ("epochs", "costs", "layers", "classes", "files", "latencies", "memories", "problems")
STUDIES = {
    "whole": lambda rows: rows,
    "one recipe": lambda rows: with_recipes(rows, "structured"),
    "one seed": lambda rows: with_seeds(rows, 0),
    "only trials": lambda rows: without(rows, *TABLES),
    "nothing": lambda rows: without(rows, "trials", *TABLES),
    **{f"no {table}": lambda rows, table=table: without(rows, table) for table in TABLES},
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> StudyRows:
    made = Made(overrides=("rates=[0,0.4,0.8]", "training.epochs=3"), failed=(3,), running=(5,), waiting=(6,))
    return read_study(made_study(tmp_path_factory.mktemp("pages"), made))


@pytest.fixture(params=PAGES.names())
def page(request: pytest.FixtureRequest) -> Page:
    return PAGES.get(request.param)()


def content(page: Page, rows: StudyRows) -> tuple[Block, ...]:
    return page.content(Findings(rows))


@pytest.mark.parametrize("study", STUDIES)
def test_it_does_with_whatever_a_study_has(page: Page, study: str, rows: StudyRows) -> None:
    blocks = content(page, STUDIES[study](rows))
    assert blocks
    for table in tables_in(blocks):
        assert all(len(row) == len(table.columns) for row in table.rows)
        for row in table.rows:
            for column, value in zip(table.columns, row, strict=True):
                assert isinstance(column.form.show(value), str)
                titles, cells = column.form.csv_titles(column.title), column.form.csv_values(value)
                assert len(titles) == len(cells)


def test_it_is_a_frozen_part_without_required_settings(page: Page) -> None:
    assert page.model_config["frozen"] is True
    assert page.title
    assert type(page)() == page


def test_its_names_are_unique_and_fit_for_files(page: Page, rows: StudyRows) -> None:
    blocks = content(page, rows)
    charts = [chart.name for chart in charts_in(blocks)]
    tables = [table.name for table in tables_in(blocks)]
    assert len(set(charts)) == len(charts)
    assert len(set(tables)) == len(tables)
    assert all(name == file_name(name) for name in charts + tables)


def test_every_chart_can_be_drawn_is_described_and_has_its_table(page: Page, rows: StudyRows) -> None:
    findings = Findings(rows)
    palette = Palette(findings.rates, tuple(recipe.name for recipe in findings.recipes))
    for chart in charts_in(page.content(findings)):
        with styled():
            drawing = chart.draw(palette)
        assert isinstance(drawing, Drawing)
        assert len(chart.description) > 40
        assert chart.table.rows


def test_computed_and_measured_never_share_a_column(page: Page, rows: StudyRows) -> None:
    for table in tables_in(content(page, rows)):
        for column in table.columns:
            if column.form.macro in ("number", "bounds") and column.title not in ("n", "seed", "session"):
                counted = ("batch", "threads", "rounds", "trials", "failed", "attempts", "epochs done")
                assert column.basis is not None or column.title in counted, (table.name, column.title)
            if "theoretical" in column.title:
                assert column.basis == "computed"


def test_equal_rows_give_equal_content(page: Page, rows: StudyRows) -> None:
    first, second = (list(tables_in(content(page, rows))) for _ in range(2))
    assert [table.rows for table in first] == [table.rows for table in second]


def test_tables_do_not_depend_on_where_the_study_lies(page: Page, rows: StudyRows) -> None:
    from dataclasses import replace

    elsewhere = replace(rows, folder=Path("/elsewhere"))
    assert [table.rows for table in tables_in(content(page, rows))] == [
        table.rows for table in tables_in(content(page, elsewhere))
    ]
