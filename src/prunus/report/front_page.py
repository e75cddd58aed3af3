"""The first page: what to ship, what that costs, how sure it is, and what else a reader must know. Nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar

from prunus.report.answer import (
    AnswerInfo,
    ChoiceInfo,
    answer,
    answer_facts,
    answer_info,
    choices_info,
    going_further,
    tally,
)
from prunus.report.content import Block, Bullets, Facts, Page, Paragraph
from prunus.report.controls import control_name
from prunus.report.findings import Findings
from prunus.report.forms import MILLISECONDS, NAME, PERCENT, TEXT, Bounds
from prunus.report.fronts import fronts_chart
from prunus.report.headline import findings_of, warnings_of
from prunus.report.statistics import Interval
from prunus.report.tables import Table, table_of
from prunus.report.words import recipe_name

MOST_FINDINGS, MOST_ROWS = 4, 8


class FrontPage(Page):
    """The study on one page."""

    title: ClassVar[str] = "What to ship"
    anchor: ClassVar[str] = "summary"
    folded: ClassVar[bool] = False

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """A sentence, what stands behind it, warnings, a figure, a table, findings."""
        facts = answer_facts(findings)
        table = candidates_table(findings)
        chart = fronts_chart(findings, table)
        told = [text for text in (going_further(findings), tally(findings), *findings_of(findings)) if text]
        return (
            Paragraph(answer(findings), "answer"),
            *((Facts(facts, side_by_side=True),) if facts else ()),
            *(Paragraph(text, "warning") for text in warnings_of(findings)),
            *((chart,) if chart else ()),
            *((Bullets(tuple(told[:MOST_FINDINGS])),) if told else ()),
        )


def candidates_table(findings: Findings) -> Table:
    """At most eight networks: unpruned, recommended, its controls, and the best of each recipe."""
    chosen = table_choices(findings)
    info, metric = answer_info(findings), findings.metric
    answer_row = next((i for i, one in enumerate(chosen) if info and one == info.choice), None)
    return table_of(
        "candidates",
        "The networks to choose among: unpruned, recommended, its controls, and the best of each recipe",
        chosen,
        (
            ("network", NAME, None, _name),
            ("what it is", TEXT, None, lambda one: _role(findings, one)),
            (
                metric.with_unit(metric.name),
                metric.value_form,
                "measured",
                lambda one: one.row.metric.mean if one.row.metric else None,
            ),
            (
                metric.with_difference_unit("to unpruned"),
                Bounds(metric.difference_form, macro="number"),
                "measured",
                _difference,
            ),
            ("runtime", TEXT, None, lambda one: one.time.setting.runtime if one.time else None),
            ("ms", MILLISECONDS, "measured", lambda one: one.time.p50_ms if one.time else None),
            ("time, % of unpruned", PERCENT, "measured", lambda one: one.time_share),
            ("file, % of unpruned", PERCENT, "measured", lambda one: one.size.ratio if one.size else None),
            ("BOPs, %", PERCENT, "computed", lambda one: one.row.effective_bops_share),
        ),
        marked=answer_row,
    )


def _name(one: ChoiceInfo) -> str:
    return recipe_name(one.recipe) + (f" {one.rate:g}" if one.recipe is not None else "")


def _difference(one: ChoiceInfo) -> Interval | None:
    return one.row.difference


def _role(findings: Findings, one: ChoiceInfo) -> str:
    """Why it is in the table."""
    info = answer_info(findings)
    if one.recipe is None:
        return "baseline"
    if info and one in (info.choice, info.cheaper):
        return "recommended" if one == info.choice else "cheaper"
    return f"control: {control_name(one.control)}" if one.control else ROLES[one.evidence]


ROLES = {"shown": "keeps", "likely": "likely keeps", "open": "may keep", "none": "loses"}


def table_choices(findings: Findings, most: int = MOST_ROWS) -> tuple[ChoiceInfo, ...]:
    """The networks of the first page's table: unpruned, recommended, its controls, the fronts, each recipe's."""
    info = answer_info(findings)
    if info is None:
        return choices_info(findings)[:most]
    wanted: list[ChoiceInfo] = [info.unpruned]
    wanted += [one for one in (info.choice, info.cheaper) if one]
    wanted += [one for one in choices_info(findings) if one.control and info.choice and _controls(findings, one, info)]
    wanted += _best_of_each(findings)
    kept = list(dict.fromkeys(wanted))[:most]
    return tuple(one for one in choices_info(findings) if one in kept)


def _controls(findings: Findings, one: ChoiceInfo, info: AnswerInfo) -> bool:
    own = {c.recipe.name for c in findings.rows.study.control_recipes if info.choice and info.choice.recipe in c.of}
    return one.recipe in own and info.choice is not None and one.rate == info.choice.rate


def _best_of_each(findings: Findings) -> Iterable[ChoiceInfo]:
    """Each recipe's network of most pruning that may keep the metric, else the one that loses least."""
    metric = findings.metric
    pruned = [one for one in choices_info(findings) if one.recipe is not None and one.control is None]
    for _, group in groupby(pruned, key=lambda one: one.recipe):
        own = list(group)
        kept = [one for one in own if one.evidence != "none"]
        yield kept[-1] if kept else max(own, key=lambda one: metric.gain(one.row.metric.mean if one.row.metric else 0))
