"""A study's folder to its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prunus.report.content import Chart, charts_in, tables_in
from prunus.report.csv_files import rows_csv, stored_tables, table_csv
from prunus.report.figures.drawing import png, styled, svg
from prunus.report.figures.inline import inline_svg
from prunus.report.figures.palette import Palette
from prunus.report.findings import Findings
from prunus.report.names import file_name, visible
from prunus.report.pages import PAGES
from prunus.report.rendering import Section, render
from prunus.report.words import counted
from prunus.store.files import write_atomically
from prunus.store.study_rows import StudyRows, read_study

FILE_NAME = "report.html"


def build_report(folder: str | Path) -> Path:
    """Write `report.html`, `figures/` and `tables/` into a study's folder; returns the page's path.

    Works on a running study too. Raises `StoreError` where there is no study. A page that cannot be made of these rows
    says so in its place and does not keep the others from being made.
    """
    folder = Path(folder)
    rows = read_study(folder)
    findings = Findings(rows)
    palette = Palette(findings.grid.rates, tuple(recipe.name for recipe in findings.recipes))
    sections = [section(name, findings) for name in PAGES.names()]
    drawings = _write_figures(folder / "figures", sections, palette)
    _write_tables(folder / "tables", sections, rows)
    page = folder / FILE_NAME
    write_atomically(page, render(rows.study.name, _subtitle(rows), sections, drawings, palette).encode())
    return page


def section(name: str, findings: Findings) -> Section:
    """One page's blocks, or what kept it from being made."""
    page = PAGES.get(name)
    try:
        return Section(file_name(name), page.title, page().content(findings))
    except Exception as error:  # whatever a stored row does to one page, the others are worth having
        return Section(file_name(name), page.title, (), visible(f"{type(error).__name__}: {error}", 400))


def _write_figures(folder: Path, sections: Sequence[Section], palette: Palette) -> dict[str, str]:
    """Every chart as SVG and PNG; returns name -> SVG for the page."""
    folder.mkdir(exist_ok=True)
    with styled():
        found = {
            chart.name: _write_figure(folder, chart, palette)
            for chart in charts_in([block for one in sections for block in one.blocks])
        }
    return {name: drawing for name, drawing in found.items() if drawing is not None}


def _write_figure(folder: Path, chart: Chart, palette: Palette) -> str | None:
    """The chart's SVG for the page; None where these rows cannot be drawn, and the page says so above the table."""
    try:
        drawing = chart.draw(palette)
        content, picture = svg(drawing), png(drawing)
    except Exception:
        return None
    (folder / f"{chart.name}.svg").write_bytes(content)
    (folder / f"{chart.name}.png").write_bytes(picture)
    return inline_svg(
        content, chart.name, visible(chart.title), visible(chart.description, 600), drawing.titles, palette.variable_of
    )


def _write_tables(folder: Path, sections: Sequence[Section], rows: StudyRows) -> None:
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    for table in tables_in([block for one in sections for block in one.blocks]):
        (folder / f"{table.name}.csv").write_bytes(table_csv(table))
    for name, stored in stored_tables(rows).items():
        (folder / "rows" / f"{name}.csv").write_bytes(rows_csv(stored))


def _subtitle(rows: StudyRows) -> str:
    finished = sum(trial.status == "finished" for trial in rows.trials)
    ended = rows.sessions[-1].ended_at if rows.sessions else None
    when = f", {visible(ended[:19]).replace('T', ' ')} UTC" if ended else ""
    trials = counted(len(rows.trials), "trial")
    return f"{rows.study.about or 'A pruning study.'} {finished} of {trials} finished{when}."
