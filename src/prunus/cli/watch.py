"""`prunus watch`: how a study gets on, in the terminal, from its store alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from prunus.report.findings import Findings
    from prunus.store import TrialRow

BARS = "▁▂▃▄▅▆▇█"
MOST_EPOCHS, MOST_RUNNING, MOST_FAILED = 30, 12, 5


def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to wait between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
) -> None:
    """Show how a study gets on: trials, the curves of those that run, the work that is left, failures."""
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    if once or not console.is_terminal:
        typer.echo("\n".join(_look(folder)[0]))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            lines, is_done = _look(folder)
            live.update(Text("\n".join(lines)), refresh=True)
            if is_done:
                return
            time.sleep(seconds)


def _look(folder: Path) -> tuple[list[str], bool]:
    """What there is to be seen now, and whether nothing more will come."""
    from prunus.report.failures import failures_info
    from prunus.report.findings import Findings
    from prunus.store import read_study

    findings = Findings(read_study(folder))
    return study_lines(findings), not failures_info(findings).unfinished


def study_lines(findings: Findings) -> list[str]:
    """How far the study is, the trials that run, and those that failed."""
    from prunus.report.failures import failures_info
    from prunus.report.headline import progress
    from prunus.report.names import visible

    trials, failures = findings.rows.trials, failures_info(findings)
    running = [trial for trial in trials if trial.status == "running"]
    lines = [progress(findings).replace("`", ""), _work_left(findings)]
    lines += [_trial_line(findings, trial) for trial in running[:MOST_RUNNING]]
    lines += [f"and {len(running) - MOST_RUNNING} more run"] if len(running) > MOST_RUNNING else []
    lines += [f"failed: {one.trial}: {one.kind}: {one.error}" for one in failures.failed[:MOST_FAILED]]
    more = len(failures.failed) - MOST_FAILED
    return [visible(line, 400) for line in [*lines, *([f"and {more} more failed"] if more > 0 else [])] if line]


def _work_left(findings: Findings) -> str:
    """By the mean time of the trials that ended; how many run at once is not known here."""
    from prunus.report.failures import failures_info
    from prunus.report.statistics import mean
    from prunus.report.words import counted, duration

    left = len(failures_info(findings).unfinished)
    took = mean(trial.seconds for trial in findings.rows.trials if trial.status == "finished")
    if not left or took is None:
        return ""
    return f"{counted(left, 'trial')} left: about {duration(left * took)} of work for one worker, measurements apart."


def _trial_line(findings: Findings, trial: TrialRow) -> str:
    from prunus.report.failures import trial_label

    name = trial_label(trial.recipe, trial.rate, trial.seed)
    series = findings.series.get(trial.trial)
    if series is None:
        return f"{name}: no epoch yet"
    last, epochs = float(series.metric[-1]), findings.rows.study.training.epochs
    curve = sparkline([float(value) for value in series.metric])
    return f"{name}: {curve} {findings.metric.value(last)} after epoch {int(series.epochs[-1])} of {epochs}"


def sparkline(values: list[float]) -> str:
    """The last values as bars between the lowest and the highest of them; one that is no number is a gap.

    >>> sparkline([0.1, 0.5, 0.9]), sparkline([2.0, 2.0]), sparkline([1.0, float("nan"), 3.0])
    ('▁▅█', '▁▁', '▁ █')
    """
    import math

    shown = values[-MOST_EPOCHS:]
    finite = [value for value in shown if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[math.floor((value - low) / step + 0.5)] if math.isfinite(value) else " " for value in shown)
