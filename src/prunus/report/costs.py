"""Computed cost of every network, its Pareto fronts, and the table of parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from prunus.report.findings import Cell, Findings, Key, once_per_study
from prunus.report.forms import COUNT, SCIENTIFIC, TEXT, TIMES
from prunus.report.names import visible
from prunus.report.statistics import Interval, pareto_front, ratio
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of


@dataclass(frozen=True)
class CostInfo:
    """Means over the seeds of one cell, for one input; computed, never timed."""

    recipe: str | None
    rate: float
    metric: Interval | None
    dense_macs: float | None
    effective_macs: float | None
    dense_bops: float | None
    effective_bops: float | None
    dense_bops_share: float | None  # of the unpruned network's
    effective_bops_share: float | None
    parameters: float | None
    nonzero_parameters: float | None
    compression_all: float | None  # unpruned parameters over these
    compression_nonzero: float | None  # unpruned parameters over these that are not zero; theoretical
    theoretical_speedup: float | None  # unpruned dense MACs over these effective MACs
    shrunk: bool
    shrink_deviation: float | None
    not_counted: tuple[str, ...]
    on_dense_front: bool = False
    on_effective_front: bool = False


@once_per_study
def costs_info(findings: Findings) -> tuple[CostInfo, ...]:
    """All cells, the control first, each marked if no other is as cheap and better."""
    found = [_cost(findings, cell) for cell in findings.all_cells]
    dense = _front(findings, found, [cost.dense_bops for cost in found])
    effective = _front(findings, found, [cost.effective_bops for cost in found])
    return tuple(
        replace(cost, on_dense_front=index in dense, on_effective_front=index in effective)
        for index, cost in enumerate(found)
    )


@once_per_study
def cost_of(findings: Findings) -> dict[Key, CostInfo]:
    """The costs by recipe and rate."""
    return {(info.recipe, info.rate): info for info in costs_info(findings)}


def _cost(findings: Findings, cell: Cell) -> CostInfo:
    def here(name: str) -> float | None:
        return findings.mean_cost(cell, lambda row: getattr(row, name))

    def unpruned(name: str) -> float | None:
        return findings.mean_cost(findings.control, lambda row: getattr(row, name))

    rows = [findings.cost_rows[trial.trial] for trial in cell.finished if trial.trial in findings.cost_rows]
    deviations = [row.shrink_deviation for row in rows if row.shrink_deviation is not None]
    return CostInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        metric=findings.metric_of(cell),
        dense_macs=here("dense_macs"),
        effective_macs=here("effective_macs"),
        dense_bops=here("dense_bops"),
        effective_bops=here("effective_bops"),
        dense_bops_share=ratio(here("dense_bops"), unpruned("dense_bops")),
        effective_bops_share=ratio(here("effective_bops"), unpruned("dense_bops")),
        parameters=here("parameters"),
        nonzero_parameters=here("nonzero_parameters"),
        compression_all=ratio(unpruned("parameters"), here("parameters")),
        compression_nonzero=ratio(unpruned("parameters"), here("nonzero_parameters")),
        theoretical_speedup=ratio(unpruned("dense_macs"), here("effective_macs")),
        shrunk=any(row.shrunk for row in rows),
        shrink_deviation=max(deviations, default=None),
        not_counted=tuple(sorted({name for row in rows for name in _names(row.not_counted)})),
    )


def _front(findings: Findings, costs: list[CostInfo], bops: list[float | None]) -> set[int]:
    points = [
        (index, value, findings.metric.gain(cost.metric.mean))
        for index, (cost, value) in enumerate(zip(costs, bops, strict=True))
        if value is not None and cost.metric is not None
    ]
    front = pareto_front([value for _, value, _ in points], [gain for *_, gain in points])
    return {points[index][0] for index in front}


def _names(text: str) -> list[str]:
    """The JSON list of operations; a damaged one is shown as it is."""
    try:
        names = json.loads(text)
    except ValueError:
        return [visible(text)]
    return [visible(name) for name in names] if isinstance(names, list) else [visible(text)]


def parameters_table(findings: Findings) -> Table:
    """A row per recipe and rate."""
    return table_of(
        "parameters",
        "Parameters, and how many times fewer than unpruned",
        (cost for cost in costs_info(findings) if cost.parameters is not None),
        (
            *RECIPE_AND_RATE,
            ("all", COUNT, "computed", lambda cost: cost.parameters),
            ("compression, all", TIMES, "computed", lambda cost: cost.compression_all),
            ("non-zero", COUNT, "computed", lambda cost: cost.nonzero_parameters),
            ("theoretical compression, non-zero", TIMES, "computed", lambda cost: cost.compression_nonzero),
            ("physically cut", TEXT, None, lambda cost: "yes" if cost.shrunk else "no"),
            ("largest deviation of the cut network", SCIENTIFIC, "measured", lambda cost: cost.shrink_deviation),
        ),
        empty="No network's cost was computed.",
    )
