"""Peak memory of a process that loads and runs a network, less that of the same process without it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import PREFIXED, RATIO
from prunus.report.statistics import ratio
from prunus.report.tables import Table, table_by_setting


@dataclass(frozen=True)
class MemoryInfo:
    """Mean over the measured seeds of one cell; `ratio` is to the unpruned network in the same setting."""

    recipe: str | None
    rate: float
    runtime: str
    batch_size: int
    network_bytes: float
    process_bytes: float
    processes: int
    ratio: float | None


@once_per_study
def memories_info(findings: Findings) -> tuple[MemoryInfo, ...]:
    """By runtime, batch size and cell, the control first."""
    control = {setting: net for setting, (net, _, _) in _means(findings, findings.control).items()}
    found = [
        MemoryInfo(cell.recipe, cell.rate, *setting, net, peak, count, ratio(net, control.get(setting)))
        for cell in findings.all_cells
        for setting, (net, peak, count) in _means(findings, cell).items()
    ]
    return tuple(sorted(found, key=lambda info: (info.runtime, info.batch_size)))


def _means(findings: Findings, cell: Cell) -> dict[tuple[str, int], tuple[float, float, int]]:
    found: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for trial in cell.finished:
        for row in findings.memory_rows.get(trial.trial, ()):
            found[row.runtime, row.batch_size].append((row.peak_bytes - row.baseline_bytes, row.peak_bytes))
    return {
        setting: (sum(n for n, _ in pairs) / len(pairs), sum(p for _, p in pairs) / len(pairs), len(pairs))
        for setting, pairs in found.items()
    }


def memories_table(findings: Findings) -> Table:
    """A row per recipe and rate, columns per runtime and batch size."""
    return table_by_setting(
        "peak-memory",
        "Peak memory of a fresh process that loads and runs the network, less that of the same process without it",
        memories_info(findings),
        lambda info: (info.runtime, info.batch_size),
        lambda setting: (
            (f"{setting[0]}, batch {setting[1]}, bytes", PREFIXED, "measured", lambda info: info.network_bytes),
            ("/ unpruned", RATIO, "measured", lambda info: info.ratio),
        ),
        empty="Peak memory was not measured.",
    )
