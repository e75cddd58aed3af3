"""Bytes of the files that were written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import COUNT, RATIO, SCIENTIFIC
from prunus.report.statistics import ratio
from prunus.report.tables import Table, table_by_setting
from prunus.store.rows import NETWORK_FORMAT


@dataclass(frozen=True)
class SizeInfo:
    """Mean size of one cell's files of one format, and its ratio to the unpruned network's."""

    recipe: str | None
    rate: float
    format: str
    size_bytes: float
    ratio: float | None
    files: int
    deviation: float | None  # largest relative difference of outputs when the files were run again


@once_per_study
def sizes_info(findings: Findings) -> tuple[SizeInfo, ...]:
    """By cell and format; formats in the order of their names, the network's own first."""
    unpruned = mean_sizes(findings, findings.control)
    found = []
    for cell in findings.all_cells:
        rows = [row for trial in cell.finished for row in findings.file_rows.get(trial.trial, ())]
        for name, size in mean_sizes(findings, cell).items():
            deviations = [row.deviation for row in rows if row.format == name and row.deviation is not None]
            count = sum(row.format == name for row in rows)
            share = ratio(size, unpruned.get(name))
            found.append(SizeInfo(cell.recipe, cell.rate, name, size, share, count, max(deviations, default=None)))
    return tuple(found)


def mean_sizes(findings: Findings, cell: Cell) -> dict[str, float]:
    """Format -> mean bytes over the cell's files, the network's own format first."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for trial in cell.finished:
        for row in findings.file_rows.get(trial.trial, ()):
            sizes[row.format].append(row.size_bytes)
    order = sorted(sizes, key=lambda name: (name != NETWORK_FORMAT, name))
    return {name: sum(sizes[name]) / len(sizes[name]) for name in order}


def sizes_table(findings: Findings) -> Table:
    """A row per recipe and rate, columns per format."""
    return table_by_setting(
        "file-size",
        "Bytes of the files that were written, and how far their outputs are from the network's when run again",
        sizes_info(findings),
        lambda info: info.format,
        lambda name: (
            (f"{name}, bytes", COUNT, "measured", lambda info: info.size_bytes),
            (f"{name} / unpruned", RATIO, "measured", lambda info: info.ratio),
            (f"{name}, deviation when run again", SCIENTIFIC, "measured", lambda info: info.deviation),
        ),
        empty="No network was written to a file.",
    )
