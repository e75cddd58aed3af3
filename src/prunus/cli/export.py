"""`prunus export`: a study's trials for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
    optuna: Annotated[
        str, typer.Option(metavar="STORAGE", help="An SQLite file to make, or the address of a storage of Optuna.")
    ],
) -> None:
    """Write a study's trials into a storage of Optuna, and print how many there are."""
    from prunus.report.words import counted
    from prunus.store import read_study
    from prunus.tracking.optuna import write_optuna

    count = write_optuna(read_study(folder), optuna)
    typer.echo(f"{counted(count, 'trial')} in {optuna}")
