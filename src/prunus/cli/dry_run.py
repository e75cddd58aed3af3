"""`prunus run --dry-run`: what a study would do, and how long it would take."""

from __future__ import annotations

import typer

from prunus.spec import Study


def print_trials(study: Study) -> None:
    """Print one line per trial on standard output, and the estimate on standard error."""
    from prunus.cli.tally import duration
    from prunus.sweep.estimate import estimate_seconds

    typer.echo("timing some training steps", err=True)
    seconds = estimate_seconds(study)
    for trial in study.trials():
        typer.echo(f"{trial.digest}  {trial.label}")
    typer.echo(
        f"{len(study.trials())} trials of {study.training.epochs} epochs: the training takes about {duration(seconds)}"
        " on this machine; exports and measurements come on top",
        err=True,
    )
