"""What the task counts of final networks beside the metric that they are compared by."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from prunus.report.content import Block, Group, Paragraph
from prunus.report.findings import LARGEST, Cell, Findings, once_per_study
from prunus.report.forms import COUNT, TEXT, Bounds, Number, with_digits
from prunus.report.names import visible
from prunus.report.statistics import Interval, mean_interval
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of

MOST_UNFOLDED = 40
"""A task may count something of each of many classes; that is not in the way of what follows."""

MEASURED = Bounds(Number(written=with_digits))


@dataclass(frozen=True)
class MeasureInfo:
    """One measure of one cell, mean over its finished trials; None where it is no finite number in any of them."""

    measure: str
    recipe: str | None
    rate: float
    value: Interval | None


@once_per_study
def measures_info(findings: Findings) -> tuple[MeasureInfo, ...]:
    """Measure by measure, in alphabetical order, each cell by cell, the control first."""
    names = sorted({row.name for rows in findings.measure_rows.values() for row in rows}, key=str.lower)
    by_cell = [(cell, _values(findings, cell)) for cell in findings.all_cells]
    return tuple(
        MeasureInfo(name, cell.recipe, cell.rate, mean_interval(values[name]))
        for name in names
        for cell, values in by_cell
        if name in values
    )


def _values(findings: Findings, cell: Cell) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for trial in cell.finished:
        for row in findings.measure_rows.get(trial.trial, ()):
            found[row.name].append(row.value if abs(row.value) <= LARGEST else math.nan)
    return found


def measures_table(findings: Findings) -> Table:
    """A row per measure, recipe and rate."""
    return table_of(
        "measures",
        "What else the task counts of the final networks",
        measures_info(findings),
        (
            ("measure", TEXT, None, lambda info: visible(info.measure, 60)),
            *RECIPE_AND_RATE,
            ("value", MEASURED, "measured", lambda info: info.value),
            ("n", COUNT, None, lambda info: info.value.count if info.value else 0),
        ),
        folded=len(measures_info(findings)) > MOST_UNFOLDED,
        most_rows=84,
    )


def measures_blocks(findings: Findings) -> tuple[Block, ...]:
    """The table, where the task counts anything else."""
    if not measures_info(findings):
        return ()
    note = (
        "Intervals are 95 % t intervals over n seeds, those that gave a finite number, each that of its row alone; "
        "nothing is read from these rows."
    )
    return (Group("Other measures", (measures_table(findings), Paragraph(note, "note"))),)
