"""A study in a notebook's cell: the report's answer, its first figure and the table of networks to choose among."""

from __future__ import annotations

import base64

from prunus.report.answer import answer
from prunus.report.drawing import png, styled
from prunus.report.findings import Findings
from prunus.report.front_page import candidates_table
from prunus.report.headline import progress, warnings_of
from prunus.report.names import visible
from prunus.report.rendering import prose
from prunus.report.tables import Table
from prunus.results.plots import front_chart, palette_of
from prunus.system.html import table


def as_html(findings: Findings) -> str:
    """At most eight rows and one picture of some ten kilobytes."""
    parts = [f"<p><strong>{prose(answer(findings))}</strong></p>", f"<p>{prose(progress(findings))}</p>"]
    parts += [f"<p><em>{prose(text)}</em></p>" for text in warnings_of(findings)]
    if (chart := front_chart(findings)) is not None:
        with styled():
            picture = base64.b64encode(png(chart.draw(palette_of(findings)))).decode()
        title = visible(chart.title).replace('"', "")
        parts.append(f'<img alt="{title}" style="max-width:100%" width="760" src="data:image/png;base64,{picture}">')
    parts.append(_as_html(candidates_table(findings)))
    return "".join(parts)


def _as_html(made: Table) -> str:
    return table(visible(made.caption), *made.shown())
