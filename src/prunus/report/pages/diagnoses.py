"""What went wrong, or not as asked."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.classes import CutOffInfo
from prunus.report.content import Block, Chart, Column, Group, Paragraph, Table
from prunus.report.figures import ceilings
from prunus.report.findings import Findings
from prunus.report.forms import COUNT, LISTED, NAME, PERCENT, PREFIXED, RATE, TEXT
from prunus.report.names import visible
from prunus.report.pages.page import Page, drawn_recipes, recipe_name
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
            Group("Problems on the way", (_problems(findings),)),
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
        table = _cut_off_table(findings)
        blocks.append(_ceiling_chart(drawn, table) if drawn else table)
    if findings.never_predicted:
        blocks.append(_never_predicted(findings))
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


def _cut_off_table(findings: Findings) -> Table:
    rows = tuple(
        (
            recipe_name(info.recipe),
            info.rate,
            info.seed,
            f"{len(info.classes)} of {info.of_classes}",
            ", ".join(visible(name, 60) for name in info.classes),
            info.winner,
            info.ceiling,
            info.accuracy,
        )
        for info in findings.cut_off
    )
    return Table(
        "cut-off-classes",
        "Output rows that were pruned",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("seed", COUNT),
            Column("empty rows", TEXT),
            Column("their classes", TEXT),
            Column("still predicted by its bias", TEXT),
            Column("ceiling, %", PERCENT, "computed"),
            Column("accuracy, %", PERCENT, "measured"),
        ),
        rows,
        folded=True,
    )


def _never_predicted(findings: Findings) -> Table:
    return Table(
        "never-predicted",
        "Classes with whole output rows that are never predicted",
        (Column("recipe", NAME), Column("rate", RATE, "asked"), Column("seed", COUNT), Column("classes", TEXT)),
        tuple(
            (recipe_name(info.recipe), info.rate, info.seed, ", ".join(visible(name, 60) for name in info.classes))
            for info in findings.never_predicted
        ),
        folded=True,
    )


def _empty_layers(findings: Findings) -> tuple[Block, ...]:
    empty = [info for info in findings.layers if info.emptied_in]
    if not findings.layers:
        return (Paragraph("No trial has its layers on record.", "note"),)
    if not empty:
        return (Paragraph("Every layer of every finished trial has weights left.", "note"), _layers(findings))
    table = Table(
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
    return (table, _layers(findings))


def _layers(findings: Findings) -> Table:
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
        most_rows=128,
    )


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
    rows = tuple(
        (
            recipe_name(info.recipe),
            info.rate,
            info.unit,
            info.in_asked_layers,
            "missed" if info.missed else "",
            info.weights_in_asked_layers,
            info.sparsity,
            info.parameters,
            info.macs,
            info.bops,
            info.bytes,
        )
        for info in findings.achieved
    )
    table = Table(
        "achieved",
        "Rate asked for, and share removed or zero, %",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("a rate of", TEXT),
            Column("achieved", PERCENT, "computed"),
            Column("", TEXT),
            Column("weights of asked layers", PERCENT, "computed"),
            Column("all prunable weights (sparsity)", PERCENT, "computed"),
            Column("parameters", PERCENT, "computed"),
            Column("effective MACs", PERCENT, "computed"),
            Column("effective BOPs", PERCENT, "computed"),
            Column("file bytes", PERCENT, "measured"),
        ),
        rows,
        empty="The study has no pruned trial yet.",
    )
    note = Paragraph(
        "A rate of a unit-wise pattern is a share of units (output rows), and removing a share of the units of two "
        "neighbouring layers removes more than that share of the weights between them.",
        "note",
    )
    return (Paragraph(text, "warning" if missed else "body"), table, note)


def _trials(findings: Findings) -> tuple[Block, ...]:
    failures = findings.failures
    text = f"{failures.finished} of {counted(failures.planned, 'trial')} finished."
    blocks: list[Block] = [Paragraph(text)]
    if failures.failed:
        rows = tuple((f.trial, f.kind, visible(f.error, 500), f.epochs, f.attempts) for f in failures.failed)
        columns = (
            Column("trial", TEXT),
            Column("kind", TEXT),
            Column("error", TEXT),
            Column("epochs done", COUNT),
            Column("attempts", COUNT),
        )
        blocks.append(Table("failed-trials", "Trials that failed", columns, rows))
    if failures.unfinished:
        waiting = tuple((trial.trial, trial.status, trial.epochs) for trial in failures.unfinished)
        states = (Column("trial", TEXT), Column("state", TEXT), Column("epochs done", COUNT))
        blocks.append(Table("unfinished-trials", "Trials that have no result yet", states, waiting))
    return tuple(blocks)


def _problems(findings: Findings) -> Table:
    return Table(
        "problems",
        "What could not be done or measured",
        (Column("stage", TEXT), Column("kind", TEXT), Column("message", TEXT), Column("trials", LISTED)),
        tuple(
            (problem.stage, problem.kind, problem.message, _few(problem.trials))
            for problem in findings.failures.problems
        ),
        empty="Nothing was left out.",
    )


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 6 else (*names[:5], f"and {len(names) - 5} more")
