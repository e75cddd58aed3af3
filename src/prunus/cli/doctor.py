"""`prunus doctor`: what this machine has for prunus and what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunus import __version__
from prunus.cli.terminal import plain, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from prunus.measure.findings import Finding


FRAME, NARROWEST = 19, 16
"""Characters of the table of findings: lines, spaces and `yes`; and of a column of sentences at least."""


def doctor(
    folder: Annotated[Path, typer.Option(help="Where results would go.")] = Path("studies"),
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Show machine, versions, runtimes, data and optional packages, and what to do about what is missing.

    Exits with 5 where a study could not run.
    """
    from prunus.measure import RUNTIMES, packages_of
    from prunus.measure.findings import examine
    from prunus.measure.machine import describe_machine, package_versions

    machine, findings = describe_machine(), examine(folder)
    versions = {"prunus": __version__, **package_versions(packages_of(RUNTIMES))}
    if as_json:
        import dataclasses
        import json

        found = [dataclasses.asdict(finding) for finding in findings]
        typer.echo(json.dumps({"machine": machine, "versions": versions, "findings": found}, indent=2))
    else:
        from rich.console import Console

        console = Console()
        for table in (
            _pairs("Machine", machine),
            _pairs("Versions", versions),
            _finding_table(findings, console.width),
        ):
            print_table(console, table)
    if any(finding.needed and not finding.found for finding in findings):
        raise typer.Exit(5)


def _pairs(title: str, values: object) -> Table:
    from rich.table import Table

    table = Table(title=title, show_header=False)
    assert isinstance(values, dict)
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        table.add_row(plain(name), plain("not known" if shown is None else shown))
    return table


def _finding_table(findings: tuple[Finding, ...], width: int) -> Table:
    """All findings; what is written in sentences is folded where the terminal is narrow."""
    from rich.table import Table

    table = Table(title="Found and missing")
    names = max((len(each.group) + len(each.name) for each in findings), default=0)
    room = max(NARROWEST, (width - names - FRAME) // 2)
    for words in ("", "what", ""):
        table.add_column(words)
    for words in ("detail", "what to do"):
        table.add_column(words, overflow="fold", max_width=room)
    for each in findings:
        mark = "yes" if each.found else ("NO" if each.needed else "no")
        table.add_row(each.group, plain(each.name), mark, plain(each.detail), plain(each.do))
    return table
