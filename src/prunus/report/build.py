"""A study's folder to its report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prunus.errors import DiskFullError, StoreError, is_disk_full
from prunus.report.content import Chart, charts_in, tables_in
from prunus.report.drawing import Drawing, png, styled, svg
from prunus.report.findings import Findings
from prunus.report.inline_svg import inline_svg
from prunus.report.names import file_name, visible
from prunus.report.pages import PAGES
from prunus.report.palette import Palette
from prunus.report.rendering import Live, Section, failed_section, render, render_section
from prunus.report.tables import rows_csv, stored_tables, table_csv
from prunus.report.words import counted
from prunus.store.files import refuse_links, write_atomically
from prunus.store.study_rows import StudyRows, read_study

FILE_NAME = "report.html"
RELOAD_SECONDS = 15
"""How often a page of a running study reads itself anew."""


def build_report(folder: str | Path, *, while_running: bool = False) -> Path:
    """Write `report.html`, `figures/` and `tables/` into a study's folder, of a running study too.

    Needs no torch. A page that cannot be made of these rows says so in its place and does not keep the others from
    being made.

    Args:
        folder: of the study. The example of `run_study` has one.
        while_running: write the page alone, which then says when it was written and reads itself anew every 15 s.

    Returns:
        The path of `report.html`.

    Raises:
        StoreError: there is no study, or nothing can be written.
    """
    folder = Path(folder)
    rows = read_study(folder)
    refuse_links(folder)
    findings = Findings(rows)
    palette = Palette(findings.rates, tuple(recipe.name for recipe in findings.recipes))
    page = folder / FILE_NAME
    beside = None if while_running else folder
    try:
        if beside is not None:
            for part in ("figures", "tables/rows"):
                (beside / part).mkdir(parents=True, exist_ok=True)
            _write_rows(beside / "tables" / "rows", rows)
        with styled():
            sections = [write_section(beside, name, findings, palette) for name in PAGES.names()]
        broken = PAGES.broken().items()
        sections += [failed_section(file_name(name), visible(name), str(error)) for name, error in broken]
        written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        live = Live(written, RELOAD_SECONDS) if while_running else None
        write_atomically(page, render(rows.study.name, _subtitle(rows), sections, palette, live=live).encode())
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(folder) from None
        raise StoreError(
            f"The report cannot be written to {folder}", str(error), "check its permissions and the space on its disk"
        ) from None
    return page


def write_section(folder: Path | None, name: str, findings: Findings, palette: Palette) -> Section:
    """Write one page's figures and tables, and return its markup; or what kept it from being made.

    folder: of the study; None: its markup alone.
    """
    page = PAGES.get(name)
    title, anchor = findings.metric.filled(page.title), file_name(findings.metric.filled(page.anchor or name))
    try:
        content = page().content(findings)
    except Exception as error:  # of the operating system's too: nothing is written yet
        return failed_section(anchor, title, f"{type(error).__name__}: {error}")
    try:
        if folder is not None:
            for table in tables_in(content):
                (folder / "tables" / f"{file_name(table.name)}.csv").write_bytes(table_csv(table))
        figures = folder and folder / "figures"
        drawings = {chart.name: _write_figure(figures, chart, palette) for chart in charts_in(content)}
        drawn = {name: drawing for name, drawing in drawings.items() if drawing is not None}
        return render_section(anchor, title, content, drawn, palette, folded=page.folded)
    except OSError:
        raise
    except Exception as error:  # whatever a stored row does to one page, the others are worth having
        return failed_section(anchor, title, f"{type(error).__name__}: {error}")


def _write_figure(folder: Path | None, chart: Chart, palette: Palette) -> str | None:
    """The chart's SVG for the page; None where these rows cannot be drawn, and the page says so above the table.

    folder: where it is written as SVG and PNG, too.
    """
    name = file_name(chart.name)
    try:
        drawing = chart.draw(palette)
        content, picture = svg(drawing), png(drawing) if folder else b""
        inline = _inline(chart, drawing, content, name, palette, "wide" if chart.narrow else "")
        if chart.narrow:
            drawing = chart.narrow(palette)
            inline += _inline(chart, drawing, svg(drawing), f"{name}-narrow", palette, "narrow")
    except Exception:
        return None
    if folder is not None:
        (folder / f"{name}.svg").write_bytes(content)
        (folder / f"{name}.png").write_bytes(picture)
    return inline


def _inline(chart: Chart, drawing: Drawing, content: bytes, name: str, palette: Palette, look: str) -> str:
    title, description = visible(chart.title), visible(chart.description, 600)
    return inline_svg(content, name, title, description, drawing.titles, palette.variable_of, look)


def _write_rows(folder: Path, rows: StudyRows) -> None:
    for name, stored in stored_tables(rows).items():
        (folder / f"{name}.csv").write_bytes(rows_csv(stored))


def _subtitle(rows: StudyRows) -> str:
    finished = sum(trial.status == "finished" for trial in rows.trials)
    ended = rows.sessions[-1].ended_at if rows.sessions else None
    when = f", {visible(ended[:19]).replace('T', ' ')} UTC" if ended else ""
    trials = counted(len(rows.trials), "trial")
    return f"{rows.study.about or 'A pruning study.'} {finished:,} of {trials} finished{when}."
