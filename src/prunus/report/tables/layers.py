"""What is left of every layer."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    NAME,
    PERCENT,
    PREFIXED,
    RATE,
    TEXT,
)
from prunus.report.tables.words import recipe_name


def layers_table(findings: Findings) -> Table:
    """A row per recipe, rate and layer."""
    return Table(
        "layers",
        "Every layer: what was asked of it, and what is left",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("layer", TEXT),
            Column("kind", TEXT),
            Column("role", TEXT),
            Column("rate of the layer", RATE, "asked"),
            Column("weights gone or zero, %", PERCENT, "computed"),
            Column("units gone or zero, %", PERCENT, "computed"),
            Column("effective MACs left, %", PERCENT, "computed"),
            Column("effective BOPs", PREFIXED, "computed"),
        ),
        tuple(
            (
                recipe_name(info.recipe),
                info.rate,
                info.layer,
                info.kind,
                info.role,
                info.asked,
                info.weights_gone,
                info.units_gone,
                info.effective_macs_share,
                info.effective_bops,
            )
            for info in findings.layers
        ),
        folded=True,
        most_rows=100,
    )


def empty_layers_table(findings: Findings) -> Table:
    """Layers of which nothing is left, and in which seeds."""
    empty = [info for info in findings.layers if info.emptied_in]
    return Table(
        "empty-layers",
        "Layers of which nothing is left",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("layer", TEXT),
            Column("kind", TEXT),
            Column("seeds", TEXT),
        ),
        tuple(
            (recipe_name(info.recipe), info.rate, info.layer, info.kind, ", ".join(map(str, info.emptied_in)))
            for info in empty
        ),
    )
