"""Every recipe beside its controls: the same by chance, and a dense network of the same cost."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.comparisons import Comparison, compared, paired_difference
from prunus.report.content import Block, Group, Paragraph
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import COUNT, NAME, P_VALUE, PERCENT, TEXT
from prunus.report.names import visible
from prunus.report.statistics import Interval, ratio
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.report.words import joined

CONTROLS = {"random": "random", "dense": "dense", "dense_longer": "dense, trained longer"}
"""Kinds of controls."""


def control_name(kind: str | None) -> str:
    """A kind of control; empty for what is none."""
    return CONTROLS.get(kind, kind) if kind is not None else ""


@dataclass(frozen=True)
class ControlInfo:
    """One recipe at one rate, and one of its controls.

    comparison: the final metric of the recipe less that of the control, paired by seed. share, control_share:
    effective MACs left of the unpruned network's. None where nothing is known.
    """

    recipe: str
    rate: float
    kind: str
    control: str
    comparison: Comparison
    share: float | None
    control_share: float | None
    epochs: int  # that the control was trained for

    @property
    def difference(self) -> Interval | None:
        """Paired by seed, with its own 95 % interval."""
        return self.comparison.difference


@once_per_study
def controls_info(findings: Findings) -> tuple[ControlInfo, ...]:
    """In the study's order, rates ascending, at the rates at which both were run. All are one family."""
    usual = findings.rows.study.training.epochs
    cells = {cell.key: cell for cell in findings.cells}
    pairs = [
        (cell, cells[one.recipe.name, rate], one)
        for (name, rate), cell in cells.items()
        for one in findings.rows.study.control_recipes
        if name in one.of and (one.recipe.name, rate) in cells
    ]
    comparisons = compared([paired_difference(findings, cell, other) for cell, other, _ in pairs])
    return tuple(
        ControlInfo(
            recipe=str(cell.recipe),
            rate=cell.rate,
            kind=control.kind,
            control=str(other.recipe),
            comparison=comparison,
            share=_share(findings, cell),
            control_share=_share(findings, other),
            epochs=dict(zip(control.rates, control.epochs, strict=False)).get(cell.rate, usual),
        )
        for (cell, other, control), comparison in zip(pairs, comparisons, strict=True)
    )


def _share(findings: Findings, cell: Cell) -> float | None:
    """Effective MACs left of the unpruned network's."""
    left = findings.mean_cost(cell, lambda row: row.effective_macs)
    return ratio(left, findings.mean_cost(findings.control, lambda row: row.dense_macs))


def controls_table(findings: Findings) -> Table:
    """A row per recipe, rate and control."""
    metric = findings.metric
    return table_of(
        "controls",
        "Every recipe against its controls",
        controls_info(findings),
        (
            *RECIPE_AND_RATE,
            ("control", TEXT, None, lambda one: control_name(one.kind)),
            ("its recipe", NAME, None, lambda one: one.control),
            (
                metric.with_difference_unit("recipe less control"),
                metric.difference_interval,
                "measured",
                lambda one: one.difference,
            ),
            ("reading", TEXT, None, lambda one: metric.reading(one.comparison.reading)),
            ("p of no difference", P_VALUE, "computed", lambda one: one.comparison.p_difference),
            ("p of no equivalence", P_VALUE, "computed", lambda one: one.comparison.p_equivalence),
            ("effective MACs left, %", PERCENT, "computed", lambda one: one.share),
            ("of the control, %", PERCENT, "computed", lambda one: one.control_share),
            ("epochs of the control", COUNT, "asked", lambda one: one.epochs),
        ),
        empty="No recipe was run beside a control.",
    )


def controls_blocks(findings: Findings) -> tuple[Block, ...]:
    """Each recipe against chance and against a smaller dense network."""
    if not controls_info(findings):
        return (
            Paragraph("No recipe has finished beside a control, so nothing tells a criterion from chance.", "note"),
        )
    text = (
        "A random control prunes as its recipe does, but draws what goes: a recipe that is not better has a criterion "
        "without use here. A dense control is a smaller network of the same cost, cut before the training and trained "
        "for as many epochs: a recipe that is not better could be replaced by training a smaller network. An epoch of "
        "a smaller network costs less, so there is a second one, trained longer: for as many MACs in all as the pruned "
        "network. A recipe that beats the first alone owes that to more training, not to starting large. Differences "
        "are paired by seed. Intervals are those of one row alone; readings are corrected for the number of rows by "
        "Holm's method, and `not shown` does not mean that there is no difference."
    )
    left_out = [one for one in findings.rows.study.control_recipes if one.left_out]
    notes = (Paragraph(f"`{one.recipe.name}` was left out. {visible(one.left_out, 400)}", "note") for one in left_out)
    verdicts = (Paragraph(sentence) for kind in CONTROLS if (sentence := _verdict(findings, kind)))
    return (Group("Controls", (Paragraph(text), *verdicts, controls_table(findings), *notes)),)


def _verdict(findings: Findings, kind: str) -> str:
    """How many recipes and rates are shown to beat a kind of control."""
    compared = [one for one in controls_info(findings) if one.kind == kind and one.difference and one.difference.known]
    metric = findings.metric
    better = [f"`{one.recipe}` {one.rate:g}" for one in compared if one.comparison.reading == metric.better]
    if not compared:
        return ""
    named = f" ({joined(better[:6])}{', ...' if len(better) > 6 else ''})" if better else ""
    worse = sum(one.comparison.reading == metric.worse for one in compared)
    equal = sum(one.comparison.reading == "equivalent" for one in compared)
    return (
        f"Shown to be better than their {control_name(kind)} control: {len(better)} of {len(compared)}{named}; "
        f"worse: {worse}; equivalent within {metric.within}: {equal}; of the others the seeds do not "
        "tell."
    )
