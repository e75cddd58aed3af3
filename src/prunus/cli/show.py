"""`prunus show`: what a study found, in the terminal, as JSON or as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from prunus.report.analysis.summary import SummaryInfo
    from prunus.report.findings import Findings
    from prunus.report.forms import Number
    from prunus.report.statistics import Interval


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row per recipe and rate.")] = False,
) -> None:
    """Show every recipe at every rate: trials, accuracy, difference to unpruned, cost, size and latency."""
    from prunus.errors import InputError
    from prunus.report.csv_files import table_csv
    from prunus.report.findings import Findings
    from prunus.report.tables.summary import summary_table
    from prunus.store import read_study

    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other", "the output is one or the other", "leave one out")
    findings = Findings(read_study(folder))
    if as_csv:
        typer.echo(table_csv(summary_table(findings)).decode(), nl=False)
    elif as_json:
        typer.echo(_json(findings))
    else:
        _print(findings)


def _print(findings: Findings) -> None:
    """A block of lines per recipe, as wide as any terminal; how far the study is goes to standard error."""
    from itertools import groupby

    from rich.console import Console
    from rich.text import Text

    from prunus.report.headline import progress

    console = Console(highlight=False)
    console.print(_block([], header=True))
    for recipe, rows in groupby(findings.summary, key=lambda row: row.recipe):
        console.print(Text("unpruned" if recipe is None else _plain(recipe), style="bold"))
        console.print(_block(list(rows), header=False))
        for target in findings.targets:
            if target.recipe == recipe:
                console.print(Text(_plain(f"{target.rate:g}: {target}{', missed' * target.missed}"), "dim"))
    settings = ", ".join(setting.label for setting in findings.latencies.settings) or "nothing was timed"
    console.print(
        Text(_plain(f"Relative to unpruned, but for accuracy. Latency: from best to worst of: {settings}."), "dim")
    )
    for one in findings.failures.failed:
        after = f"after {one.epochs} epoch{'' if one.epochs == 1 else 's'}"
        console.print(Text(_plain(f"failed: {one.trial}, {after}: {one.kind}: {one.error}")))
    typer.echo(_plain(progress(findings)), err=True)
    for lost in findings.failures.lost:
        typer.echo(_plain(lost.sentence), err=True)
    if findings.failures.problems:
        typer.echo(f"The report lists what could not be measured ({len(findings.failures.problems)}).", err=True)


def _block(rows: list[SummaryInfo], *, header: bool) -> RichTable:
    """Lines of equal column widths, so that the blocks of all recipes make one table."""
    from rich.table import Table
    from rich.text import Text

    from prunus.report.forms import ACCURACY, PERCENT, POINTS, RATE, TIMES, TIMES_SPAN

    table = Table(box=None, show_header=header, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title, width in COLUMNS:
        table.add_column(title, justify="right", min_width=width, no_wrap=True)
    for row in rows:
        cells = (
            RATE.show(row.rate),
            f"{row.finished}{f'+{row.failed}!' if row.failed else ''}/{row.trials}",
            _with_half_width(ACCURACY, row.accuracy),
            _with_half_width(POINTS, row.difference),
            PERCENT.show(row.sparsity),
            PERCENT.show(row.effective_macs_share),
            PERCENT.show(row.effective_bops_share),
            TIMES.show(row.size_ratio),
            TIMES_SPAN.show(tuple(one.ratio.mean for one in row.latencies if one.ratio)),
        )
        table.add_row(*(Text(_plain(cell)) for cell in cells))
    return table


COLUMNS = (
    ("rate", 5),
    ("trials", 6),
    ("accuracy, %", 12),
    ("points", 12),
    ("zero %", 6),
    ("MACs %", 6),
    ("BOPs %", 6),
    ("size", 5),
    ("latency", 12),
)
"""Heads and widths; `2+1!/3` are trials that finished, failed, and are planned."""


def _with_half_width(form: Number, value: Interval | None) -> str:
    """A mean and half of its interval."""
    if value is None or value.half_width is None:
        return form.show(value)
    return f"{form.show(value.mean)} ±{form.show(value.half_width).lstrip('+')}"


def _plain(text: str) -> str:
    from prunus.report.names import visible

    return visible(text, 600).replace("`", "")


def _json(findings: Findings) -> str:
    import json
    from dataclasses import asdict

    failures, rows = findings.failures, findings.rows
    document = {
        "study": rows.study.name,
        "study_digest": rows.study.digest,
        "trials": {
            "planned": failures.planned,
            "finished": failures.finished,
            "failed": len(failures.failed),
            "unfinished": len(failures.unfinished),
        },
        "cells": [asdict(row) for row in findings.summary],
        "targets": [asdict(target) for target in findings.targets],
        "failed": [asdict(trial) for trial in failures.failed],
        "unfinished": [asdict(trial) for trial in failures.unfinished],
        "problems": [asdict(problem) for problem in failures.problems],
    }
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; they become null."""
    import math

    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
