"""What went wrong, or not as asked."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.classes import CutOffInfo
from prunus.report.content import Block, Chart, Group, Paragraph, Table
from prunus.report.figures import ceilings
from prunus.report.findings import Findings
from prunus.report.pages.page import Page, drawn_recipes
from prunus.report.tables.achieved import achieved_table
from prunus.report.tables.cut_off import cut_off_table, never_predicted_table
from prunus.report.tables.layers import empty_layers_table, layers_table
from prunus.report.tables.problems import problems_table
from prunus.report.tables.targets import targets_table
from prunus.report.tables.trials import failed_table, unfinished_table
from prunus.report.words import counted, joined

MOST_BARS = 60


class DiagnosesPage(Page):
    """Pruned output rows, empty layers, rates not achieved, failures."""

    title: ClassVar[str] = "Diagnoses"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Each kind of trouble under its heading, also where there was none."""
        return (
            Group("Classes that can no longer be predicted", _cut_off(findings)),
            Group("Layers that went empty", _empty_layers(findings)),
            Group("Rates asked for and achieved", _achieved(findings)),
            Group("Trials without a result", _trials(findings)),
            Group("Problems on the way", (problems_table(findings),)),
        )


def _cut_off(findings: Findings) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if not findings.cut_off:
        text = (
            "No finished trial has an empty output row."
            if findings.rows.classes
            else "No trial has its classes on record."
        )
        blocks.append(Paragraph(text, "note"))
    else:
        blocks.append(
            Paragraph(
                "A class whose output row is all zero gets the same score, its bias, for every input. Of all such "
                "classes only the one with the largest bias can ever score highest, so at most one of them is "
                "still predicted; at best that is the one with most test inputs. The ceiling is therefore the "
                "test inputs of all whole classes plus those of the largest empty one, over all test inputs. It "
                "holds whatever the other layers learn."
            )
        )
        recipes = (None, *drawn_recipes(findings))
        drawn = tuple(info for info in findings.cut_off if info.recipe in recipes and info.ceiling is not None)[
            :MOST_BARS
        ]
        table = cut_off_table(findings)
        blocks.append(_ceiling_chart(drawn, table) if drawn else table)
    if findings.never_predicted:
        blocks.append(never_predicted_table(findings))
    return tuple(blocks)


def _ceiling_chart(drawn: tuple[CutOffInfo, ...], table: Table) -> Chart:
    return Chart(
        name="ceilings",
        title="Accuracy that empty output rows leave, and what was reached",
        description="A bar per trial with empty output rows up to the accuracy that its class sizes allow, and a "
        "mark at the accuracy it reached. The table has the numbers.",
        draw=partial(ceilings.draw, drawn),
        table=table,
        caption="A bar per seed.",
    )


def _empty_layers(findings: Findings) -> tuple[Block, ...]:
    if not findings.layers:
        return (Paragraph("No trial has its layers on record.", "note"),)
    if not any(info.emptied_in for info in findings.layers):
        return (Paragraph("Every layer of every finished trial has weights left.", "note"), layers_table(findings))
    return (empty_layers_table(findings), layers_table(findings))


def _achieved(findings: Findings) -> tuple[Block, ...]:
    missed = [info for info in findings.achieved if info.missed]
    if not any(info.in_asked_layers is not None for info in findings.achieved):
        text = "No finished trial has its layers on record, so what was achieved is not known."
    elif missed:
        cells = [f"`{info.recipe}` {info.rate:g}" for info in missed[:8]]
        more = f" and {len(missed) - 8} more" if len(missed) > 8 else ""
        text = f"Missed by more than 2 points: {joined(cells)}{more}."
    else:
        text = "Every rate was achieved to within 2 points, in the layers it was asked of."
    note = Paragraph(
        "A rate of a unit-wise pattern is a share of units (output rows), and removing a share of the units of two "
        "neighbouring layers removes more than that share of the weights between them.",
        "note",
    )
    return (Paragraph(text, "warning" if missed else "body"), achieved_table(findings), note, *_targets(findings))


def _targets(findings: Findings) -> tuple[Block, ...]:
    """Where recipes were to come to a cost."""
    if not findings.targets:
        return ()
    missed = [info for info in findings.targets if info.missed]
    if missed:
        cells = [f"`{info.recipe}` {info.rate:g} ({info.kind})" for info in missed[:8]]
        more = f" and {len(missed) - 8} more" if len(missed) > 8 else ""
        text = f"Targets that were missed: {joined(cells)}{more}."
    else:
        text = "Every target was reached: counts to within 1 %, a latency exceeded by 10 % at most."
    return (Paragraph(text, "warning" if missed else "body"), targets_table(findings))


def _trials(findings: Findings) -> tuple[Block, ...]:
    failures = findings.failures
    text = f"{failures.finished} of {counted(failures.planned, 'trial')} finished."
    blocks: list[Block] = [Paragraph(text)]
    if failures.failed:
        blocks.append(failed_table(findings))
    if failures.unfinished:
        blocks.append(unfinished_table(findings))
    return tuple(blocks)
