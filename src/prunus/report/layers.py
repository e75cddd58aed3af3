"""What became of every layer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.achieved import gone_of_layer
from prunus.report.content import Block, Paragraph
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import PERCENT, PREFIXED, RATE, TEXT
from prunus.report.statistics import mean, ratio
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.store.rows import LayerRow


@dataclass(frozen=True)
class LayerInfo:
    """One layer of one cell, mean over its seeds. Shares are of the unpruned layer."""

    recipe: str | None
    rate: float
    layer: str
    kind: str
    role: str  # `output`, `protected`, or nothing
    weights: int  # of the unpruned layer
    units: int
    asked: float | None
    weights_gone: float | None
    units_gone: float | None
    effective_macs_share: float | None
    effective_bops: float | None
    bits: str  # of a weight and of the input
    emptied_in: tuple[int, ...]  # seeds in which nothing of it is left


@once_per_study
def layers_info(findings: Findings) -> tuple[LayerInfo, ...]:
    """By cell and layer, in the order of execution; without the control."""
    return tuple(info for cell in findings.cells for info in _of_cell(findings, cell))


def _of_cell(findings: Findings, cell: Cell) -> list[LayerInfo]:
    by_name: dict[str, list[tuple[int, LayerRow, LayerRow | None]]] = defaultdict(list)
    for trial in cell.finished:
        unpruned = findings.unpruned_layers(trial.seed)
        for row in sorted(findings.layer_rows.get(trial.trial, ()), key=lambda row: row.position):
            by_name[row.layer].append((trial.seed, row, unpruned.get(row.layer)))
    return [_layer(cell, name, rows) for name, rows in by_name.items()]


def _layer(cell: Cell, name: str, rows: list[tuple[int, LayerRow, LayerRow | None]]) -> LayerInfo:
    first = rows[0][1]
    return LayerInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        layer=name,
        kind=first.kind,
        role="output" if first.output else "protected" if first.protected else "",
        weights=(rows[0][2] or first).weights,
        units=(rows[0][2] or first).units,
        asked=mean(row.rate for _, row, _ in rows),
        weights_gone=mean(gone_of_layer(row, unpruned, units=False) for _, row, unpruned in rows),
        units_gone=mean(gone_of_layer(row, unpruned, units=True) for _, row, unpruned in rows),
        effective_macs_share=mean(ratio(row.effective_macs, (unpruned or row).dense_macs) for _, row, unpruned in rows),
        effective_bops=mean(row.effective_bops for _, row, _ in rows),
        bits="" if first.weight_bits is None else f"{first.weight_bits} / {first.activation_bits}",
        emptied_in=tuple(seed for seed, row, _ in rows if row.nonzero_weights == 0 and (row.rate or row.weights)),
    )


def layers_table(findings: Findings) -> Table:
    """A row per recipe, rate and layer."""
    return table_of(
        "layers",
        "Every layer: what was asked of it, and what is left",
        layers_info(findings),
        (
            *RECIPE_AND_RATE,
            ("layer", TEXT, None, lambda info: info.layer),
            ("kind", TEXT, None, lambda info: info.kind),
            ("role", TEXT, None, lambda info: info.role),
            ("rate of the layer", RATE, "asked", lambda info: info.asked),
            ("weights gone or zero, %", PERCENT, "computed", lambda info: info.weights_gone),
            ("units gone or zero, %", PERCENT, "computed", lambda info: info.units_gone),
            ("effective MACs left, %", PERCENT, "computed", lambda info: info.effective_macs_share),
            ("effective BOPs", PREFIXED, "computed", lambda info: info.effective_bops),
            ("bits of weight / input", TEXT, None, lambda info: info.bits),
        ),
        folded=True,
        most_rows=100,
    )


def empty_layers_table(findings: Findings) -> Table:
    """Layers of which nothing is left, and in which seeds."""
    empty = [info for info in layers_info(findings) if info.emptied_in]
    return table_of(
        "empty-layers",
        "Layers of which nothing is left",
        empty,
        (
            *RECIPE_AND_RATE,
            ("layer", TEXT, None, lambda info: info.layer),
            ("kind", TEXT, None, lambda info: info.kind),
            ("seeds", TEXT, None, lambda info: ", ".join(map(str, info.emptied_in))),
        ),
    )


def layer_blocks(findings: Findings) -> tuple[Block, ...]:
    """The layers that went empty, and all of them."""
    if not layers_info(findings):
        return (Paragraph("No trial has its layers on record.", "note"),)
    if not any(info.emptied_in for info in layers_info(findings)):
        return (Paragraph("Every layer of every finished trial has weights left.", "note"), layers_table(findings))
    return (empty_layers_table(findings), layers_table(findings))
