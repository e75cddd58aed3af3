"""`prunus report`: draw a study's report from its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
) -> None:
    """Write report.html, figures and tables into a study's folder, and print where the page is."""
    from prunus.report import build_report

    typer.echo(build_report(folder))
