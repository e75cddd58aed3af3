"""Print the tables of a finished study as Markdown, for docs/results/.

python tools/results_page.py studies/digits > tables.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from prunus.report.bops import bops_table
from prunus.report.classes import cut_off_table
from prunus.report.controls import controls_table
from prunus.report.findings import Findings
from prunus.report.headline import headline
from prunus.report.latencies import latency_table
from prunus.report.leaderboard import leaderboard_table
from prunus.report.losses import epochs_table, losses_table
from prunus.report.memories import memories_table
from prunus.report.provenance import provenance_info
from prunus.report.sizes import sizes_table
from prunus.report.statements import STATEMENTS, judged
from prunus.report.summary import summary_table
from prunus.report.tables import Table
from prunus.store import read_study

TABLES = (
    summary_table,
    losses_table,
    controls_table,
    leaderboard_table,
    epochs_table,
    bops_table,
    cut_off_table,
    sizes_table,
    latency_table,
    memories_table,
)


def markdown(table: Table) -> Iterator[str]:
    """A table with its caption."""
    yield f"\n### {table.caption}\n"
    if not table.rows:
        yield table.empty
        return
    yield "| " + " | ".join(f"{c.title} ({c.basis})" if c.basis else c.title for c in table.columns) + " |"
    yield "|" + "---|" * len(table.columns)
    for row in table.rows:
        cells = (column.form.show(value) for column, value in zip(table.columns, row, strict=True))
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells) + " |"


def page(folder: Path) -> Iterator[str]:
    """The headline, the tables, the statements, where it was run."""
    findings = Findings(read_study(folder))
    yield from (f"- {sentence}" for sentence in headline(findings))
    for make in TABLES:
        yield from markdown(make(findings))
    yield "\n### The reference experiment's statements\n"
    yield "| no. | statement | evidence in this study | verdict |"
    yield "|---|---|---|---|"
    for one in (judged(statement, findings) for statement in STATEMENTS):
        evidence = "<br>".join(str(part) for part in one.evidence).replace("|", "\\|")
        yield f"| {one.statement.key} | {one.statement.claim} *{one.statement.rule}* | {evidence} | **{one.verdict}** |"
    provenance = provenance_info(findings)
    yield "\n### Where it was run\n"
    for name, value in (*provenance.machine, *provenance.versions):
        yield f"- {name}: {value}"
    yield f"- study: `{provenance.digest}`, command: `{provenance.command}`"


def main() -> None:
    """Print the page of the folder that is named."""
    for line in page(Path(sys.argv[1])):
        print(line)


if __name__ == "__main__":
    main()
