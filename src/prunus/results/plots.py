"""Figures of the report as matplotlib's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunus.errors import InputError
from prunus.report.content import Chart
from prunus.report.drawing import styled
from prunus.report.findings import Findings
from prunus.report.front_page import candidates_table
from prunus.report.fronts import fronts_chart
from prunus.report.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def palette_of(findings: Findings) -> Palette:
    """Colours of rates and recipes."""
    return Palette(findings.rates, tuple(recipe.name for recipe in findings.recipes))


def front_chart(findings: Findings) -> Chart | None:
    """The first page's chart; None where there is nothing to draw yet."""
    return fronts_chart(findings, candidates_table(findings))


@dataclass(frozen=True)
class Plots:
    """The report's figures of one study, each a `matplotlib.figure.Figure`."""

    findings: Findings

    def front(self) -> Figure:
        """Metric against measured time, or bit operations, with the fronts, the controls and the answer."""
        return self._drawn(front_chart(self.findings))

    def _drawn(self, chart: Chart | None) -> Figure:
        if chart is None:
            raise InputError("There is nothing to draw yet", "no pruned network has finished", "wait, or run it")
        with styled():
            return chart.draw(palette_of(self.findings)).figure
