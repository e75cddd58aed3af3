"""`prunus show`: what a study found, in the terminal, as JSON or as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunus.cli.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from prunus.report.findings import Findings
    from prunus.report.forms import Number
    from prunus.report.metric import StudyMetric
    from prunus.report.statistics import Interval
    from prunus.report.summary import SummaryInfo


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row per recipe and rate.")] = False,
) -> None:
    """Show every recipe at every rate: trials, accuracy or what else the task counts, cost, size and latency."""
    from prunus.errors import InputError
    from prunus.report.findings import Findings
    from prunus.report.summary import summary_table
    from prunus.report.tables import table_csv
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

    from prunus.report.achieved import targets_info
    from prunus.report.failures import failures_info
    from prunus.report.headline import collapsed_runs, not_finite_runs, one_class_alone, progress
    from prunus.report.latencies import settings_info
    from prunus.report.summary import summary_info

    failures = failures_info(findings)
    console = Console(highlight=False)
    metric = findings.metric
    cells = {(row.recipe, row.rate): _cells(row, metric) for row in summary_info(findings)}
    widths = [max(map(len, column)) for column in zip(_heads(metric), *cells.values(), strict=True)]
    widths = [max(pair) for pair in zip(widths, WIDTHS, strict=True)]
    print_table(console, _block([], widths, _heads(metric)))
    for recipe, keys in groupby(cells, key=lambda key: key[0]):
        console.print(Text("unpruned" if recipe is None else _plain(recipe), style="bold"))
        print_table(console, _block([cells[key] for key in keys], widths))
        for target in targets_info(findings):
            if target.recipe == recipe:
                console.print(Text(_plain(f"{target.rate:g}: {target}{', missed' * target.missed}"), "dim"))
    settings = "; ".join(setting.label for setting in settings_info(findings)) or "nothing was timed"
    basis = f"Relative to unpruned, but for {metric.name}; ± is half of a row's own 95 % interval"
    console.print(Text(_plain(f"{basis}. Latency: from best to worst of: {settings}."), "dim"))
    for one in failures.failed:
        after = f"after {one.epochs} epoch{'' if one.epochs == 1 else 's'}"
        console.print(Text(_plain(f"failed: {one.trial}, {after}: {one.kind}: {one.error}")))
    typer.echo(_plain(progress(findings)), err=True)
    for warning in (one_class_alone(findings), collapsed_runs(findings), not_finite_runs(findings)):
        if warning:
            typer.echo(_plain(warning), err=True)
    for lost in failures.lost:
        typer.echo(_plain(lost.sentence), err=True)
    if failures.problems:
        typer.echo(f"The report lists what could not be measured ({len(failures.problems)}).", err=True)


def _block(rows: list[tuple[str, ...]], widths: list[int], heads: tuple[str, ...] = ()) -> RichTable:
    """Lines of equal column widths, so that the blocks of all recipes make one table; latencies wrap if they must."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(heads), padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for index, width in enumerate(widths):
        head = Text(heads[index]) if heads else ""
        table.add_column(head, justify="right", min_width=width, no_wrap=index < len(widths) - 1)
    for cells in rows:
        table.add_row(*(Text(cell) for cell in cells))
    return table


WIDTHS = (5, 6, 12, 12, 6, 6, 6, 5, 12)
"""What columns are at least as wide as."""


def _heads(metric: StudyMetric) -> tuple[str, ...]:
    own = _plain(metric.with_unit(metric.name)), _plain(metric.difference_head)
    return ("rate", "trials", *own, "zero %", "MACs %", "BOPs %", "size", "latency")


def _cells(row: SummaryInfo, metric: StudyMetric) -> tuple[str, ...]:
    """One line; `2+1!/3` are trials that finished, failed, and are planned."""
    from prunus.report.forms import PERCENT, RATE, TIMES, TIMES_SPAN

    value_form, difference_form = metric.terminal_forms
    cells = (
        RATE.show(row.rate),
        f"{row.finished}{f'+{row.failed}!' if row.failed else ''}/{row.trials}",
        _with_half_width(value_form, row.metric),
        _with_half_width(difference_form, row.difference),
        PERCENT.show(row.sparsity),
        PERCENT.show(row.effective_macs_share),
        PERCENT.show(row.effective_bops_share),
        TIMES.show(row.size_ratio),
        TIMES_SPAN.show(tuple(one.ratio.mean for one in row.latencies if one.ratio)),
    )
    return tuple(_plain(cell) for cell in cells)


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

    from prunus.report.achieved import targets_info
    from prunus.report.failures import failures_info
    from prunus.report.summary import summary_info

    failures, rows = failures_info(findings), findings.rows
    document = {
        "study": rows.study.name,
        "study_digest": rows.study.digest,
        "trials": {
            "planned": failures.planned,
            "finished": failures.finished,
            "failed": len(failures.failed),
            "unfinished": len(failures.unfinished),
        },
        **_which(findings.metric),
        "cells": [_cell(row, findings.metric) for row in summary_info(findings)],
        **_measures(findings),
        "targets": [asdict(target) for target in targets_info(findings)],
        "failed": [asdict(trial) for trial in failures.failed],
        "unfinished": [asdict(trial) for trial in failures.unfinished],
        "problems": [asdict(problem) for problem in failures.problems],
    }
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _which(metric: StudyMetric) -> dict[str, Any]:
    """Which metric the cells' values are of. Those of accuracy are called so, and need no more to be said."""
    if metric.is_accuracy:
        return {}
    return {"metric": {**metric.metric.model_dump(), "margin_in_unit": metric.scale * metric.margin}}


def _cell(row: SummaryInfo, metric: StudyMetric) -> dict[str, Any]:
    """A row of the summary, under the names that programs know."""
    from dataclasses import asdict

    found = asdict(row)
    if not metric.is_accuracy:
        return {key: value for key, value in found.items() if key != "balanced"}
    return {metric.key if key == "metric" else key: value for key, value in found.items()}


def _measures(findings: Findings) -> dict[str, Any]:
    """What else the task counts, where it does."""
    from dataclasses import asdict

    from prunus.report.measures import measures_info

    found = [asdict(info) for info in measures_info(findings)]
    return {"measures": found} if found else {}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; they become null."""
    import math

    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
