"""Test accuracy per epoch, one figure per recipe."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

from prunus.report.analysis.curves import RecipeCurvesInfo
from prunus.report.content import Block, Chart, Group, Paragraph, Toggle
from prunus.report.figures import accuracy
from prunus.report.findings import Findings
from prunus.report.names import file_names
from prunus.report.pages.page import Page, drawn_rates, drawn_recipes
from prunus.report.tables.curves import curves_table
from prunus.report.words import counted


class AccuracyPage(Page):
    """How fast every recipe learns at every rate."""

    title: ClassVar[str] = "Accuracy while training"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """A chart per recipe, each with its table of milestones."""
        if not findings.curves:
            return (Paragraph("No trial has an epoch behind it yet.", "note"),)
        blocks: list[Block] = [
            Paragraph(
                "Test accuracy after each epoch, measured just after that epoch's pruning: the mean over seeds, "
                "with its 95 % t interval as a band; to the right of the magnified curves stand the intervals of "
                "the final accuracy. Test data is drawn here; it never chose anything."
            )
        ]
        recipes = drawn_recipes(findings)
        drawn = [info for info in findings.curves if info.recipe.name in recipes]
        left = [info for info in findings.curves if info.recipe.name not in recipes]
        rates, names = drawn_rates(findings), file_names(info.recipe.name for info in drawn)
        blocks += [_group(info, f"curves-{names[info.recipe.name]}", rates) for info in drawn]
        if left:
            blocks.append(Paragraph(f"{counted(len(left), 'recipe')} more are in a table only.", "note"))
            blocks.append(curves_table("more-curves", left))
        return tuple(blocks)


def _group(info: RecipeCurvesInfo, name: str, rates: tuple[float, ...]) -> Group:
    recipe = info.recipe
    published = bool(info.reference)
    drawn = replace(info, curves=tuple(curve for curve in info.curves if curve.rate in rates) or info.curves)
    chart = Chart(
        name=name,
        title=f"Test accuracy per epoch: {recipe.name}",
        description=f"Test accuracy in percent over epochs, a line per pruning rate ({_rates(drawn)}), with 95 % "
        "bands over seeds; beside it the last half of the epochs, magnified. The table below has the numbers.",
        draw=partial(accuracy.draw, drawn),
        table=curves_table(name, [info]),
        caption="Thin dashed lines are the reference experiment's published curves of the same kind: another "
        "network, other data, one seed. Compare shapes, not heights."
        if published
        else "",
        toggle=Toggle("published curves of the reference experiment", "reference") if published else None,
    )
    blocks: list[Block] = [Paragraph(recipe.about)] if recipe.about else []
    return Group(recipe.name, (*blocks, chart))


def _rates(info: RecipeCurvesInfo) -> str:
    return ", ".join(f"{curve.rate:g}" for curve in info.curves)
