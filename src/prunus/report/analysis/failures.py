"""Trials without a result, and what could not be done or measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.analysis.grid import Grid
from prunus.report.words import listed
from prunus.store.missing import STAGE
from prunus.store.rows import TrialRow

THE_STUDY = "the study"
"""What a problem is about that no trial had."""


@dataclass(frozen=True)
class FailedInfo:
    """A trial that failed."""

    trial: str  # in words
    kind: str
    error: str
    epochs: int
    attempts: int


@dataclass(frozen=True)
class UnfinishedInfo:
    """A trial that runs, waits, or has no row yet."""

    trial: str
    status: str
    epochs: int


@dataclass(frozen=True)
class ProblemInfo:
    """One kind of problem, and the trials that had it."""

    stage: str
    kind: str
    message: str
    trials: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The message, and which trials it is about; what is about the study as a whole names none."""
        trials = [name for name in self.trials if name != THE_STUDY]
        return f"{self.message}: {listed(trials)}." if trials else f"{self.message}."


@dataclass(frozen=True)
class FailuresInfo:
    """How far the study is, and what went wrong."""

    planned: int
    finished: int
    failed: tuple[FailedInfo, ...]
    unfinished: tuple[UnfinishedInfo, ...]
    problems: tuple[ProblemInfo, ...]

    @property
    def lost(self) -> tuple[ProblemInfo, ...]:
        """The problems that are the store's own: what should be on record and is not."""
        return tuple(problem for problem in self.problems if problem.stage == STAGE)


def failures_info(grid: Grid) -> FailuresInfo:
    """All trials that have no result, and all problems, the same message once."""
    trials = grid.rows.trials
    labels = {trial.trial: trial_label(trial.recipe, trial.rate, trial.seed) for trial in trials}
    unfinished = [
        UnfinishedInfo(labels[trial.trial], trial.status, _epochs(grid, trial))
        for trial in trials
        if trial.status in ("running", "waiting")
    ]
    rowless = _without_row(grid)
    problems: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in grid.rows.problems:
        problems[row.stage, row.kind, row.message].append(labels.get(row.trial or "", THE_STUDY))
    return FailuresInfo(
        planned=len(trials) + len(rowless),
        finished=sum(trial.status == "finished" for trial in trials),
        failed=tuple(
            FailedInfo(labels[row.trial], row.error_kind or "", row.error or "", _epochs(grid, row), row.attempts)
            for row in trials
            if row.status == "failed"
        ),
        unfinished=(*unfinished, *(UnfinishedInfo(label, "not in the store", 0) for label in rowless)),
        problems=tuple(ProblemInfo(*key, tuple(names)) for key, names in problems.items()),
    )


def trial_label(recipe: str | None, rate: float, seed: int) -> str:
    """A trial in words: `structured 0.4, seed 1`."""
    return f"{recipe} {rate:g}, seed {seed}" if recipe is not None else f"unpruned, seed {seed}"


def _epochs(grid: Grid, trial: TrialRow) -> int:
    series = grid.series.get(trial.trial)
    return max(int(series.epochs[-1]) if series is not None else 0, trial.checkpoint_epoch or 0)


def _without_row(grid: Grid) -> list[str]:
    """Trials of the study that the store has no row of."""
    known = {(trial.recipe, trial.rate, trial.seed) for trial in grid.rows.trials}
    planned = ((t.recipe.name if t.recipe else None, t.rate, t.seed) for t in grid.rows.study.trials())
    return [trial_label(*key) for key in planned if key not in known]
