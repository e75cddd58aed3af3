"""`prunus watch`: how a study gets on, in the terminal and as a page, from its store alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from prunus.report.findings import Findings
    from prunus.store import TrialRow

BARS = "▁▂▃▄▅▆▇█"
MOST_EPOCHS, MOST_RUNNING, MOST_FAILED = 30, 12, 5
LEAST_SECONDS, NICENESS = 10, 19
"""Between two looks for a new page, and how far its drawing gives way to the trials."""


def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study, finished or running.")],
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to wait between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Rewrite report.html as the study goes, and open it in the browser.")
    ] = False,
) -> None:
    """Show how a study gets on: trials, the curves of those that run, the work that is left, failures."""
    import time
    from contextlib import nullcontext

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    if once or not (console.is_terminal or open_):
        typer.echo("\n".join(_look(folder)[0]))
        return
    page = LivePage(folder) if open_ else nullcontext()
    with page, Live(console=console, auto_refresh=False, redirect_stderr=False) as live:
        while True:
            lines, is_done = _look(folder)
            live.update(Text("\n".join(lines)), refresh=True)
            if is_done:
                return
            time.sleep(seconds)


class LivePage:
    """Rewrites a study's page while the study runs, from a thread, and opens it once it is there.

    A page is drawn when there is something new, and its drawing takes a twentieth of one core's time at most. What
    keeps it from being written is told once, and does not end the watching.
    """

    def __init__(self, folder: Path) -> None:
        import threading

        self.folder, self.seen, self.told, self.opened = folder, 0.0, False, False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._go, name="page", daemon=True)

    def __enter__(self) -> LivePage:
        import os

        os.nice(NICENESS)  # the trials come first
        self.thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """The last page of a study that is over is that of `prunus report`, and reads itself no more."""
        self.over.set()
        self.thread.join()
        if kind is None:
            self._write(while_running=False)

    def _go(self) -> None:
        import time

        while not self.over.is_set():
            began = time.thread_time()
            if self._is_new():
                self._write(while_running=True)
            self.over.wait(max(LEAST_SECONDS, 19 * (time.thread_time() - began)))

    def _is_new(self) -> bool:
        from prunus.store import Store

        seen, self.seen = self.seen, (self.folder / Store.FILE_NAME).stat().st_mtime
        return seen != self.seen

    def _write(self, *, while_running: bool) -> None:
        import webbrowser

        from prunus.errors import PrunusError
        from prunus.report import build_report

        try:
            page = build_report(self.folder, while_running=while_running)
        except PrunusError as error:
            if not self.told:
                typer.echo(f"warning: {error}", err=True)
            self.told = True
            return
        if not self.opened:
            self.opened = True
            webbrowser.open(page.resolve().as_uri())


def _look(folder: Path) -> tuple[list[str], bool]:
    """What there is to be seen now, and whether nothing more will come."""
    from prunus.report.failures import failures_info
    from prunus.report.findings import Findings
    from prunus.store import read_study

    rows = read_study(folder)
    findings = Findings(rows)
    is_over = rows.sessions[-1].ended_at is not None if rows.sessions else True
    return study_lines(findings), is_over and not failures_info(findings).unfinished


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
