"""`prunus run --dry-run`: what a study would do, and how long it would take."""

from __future__ import annotations

import typer

from prunus.spec import Study


def print_trials(study: Study) -> None:
    """Print one line per trial on standard output, and the estimate on standard error."""
    from prunus.cli.tally import duration
    from prunus.sweep.estimate import estimate_seconds
    from prunus.sweep.latency_targets import LatencyTargets
    from prunus.sweep.loaded import Loaded

    typer.echo("loading torch and the data, timing some training steps", err=True)
    loaded = Loaded.of(study, LatencyTargets(tell=lambda text: typer.echo(text, err=True)))
    seconds = estimate_seconds(loaded)
    for digest, trial in loaded.trials.items():
        typer.echo(f"{digest}  {trial.label}")
    typer.echo(
        f"{len(loaded.trials)} trials of {study.training.epochs} epochs: the training takes about {duration(seconds)}"
        " on this machine; exports and measurements come on top",
        err=True,
    )
