"""Trials without a result, and what could not be done or measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.content import Block, Paragraph
from prunus.report.findings import Findings, once_per_study
from prunus.report.forms import COUNT, LISTED, TEXT
from prunus.report.names import visible
from prunus.report.tables import Table, table_of
from prunus.report.words import counted, listed
from prunus.store.rows import STORE_STAGE, TrialRow

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
        return tuple(problem for problem in self.problems if problem.stage == STORE_STAGE)


@once_per_study
def failures_info(findings: Findings) -> FailuresInfo:
    """All trials that have no result, and all problems, the same message once."""
    trials = findings.rows.trials
    labels = {trial.trial: trial_label(trial.recipe, trial.rate, trial.seed) for trial in trials}
    unfinished = [
        UnfinishedInfo(labels[trial.trial], trial.status, _epochs(findings, trial))
        for trial in trials
        if trial.status in ("running", "waiting")
    ]
    rowless = _without_row(findings)
    problems: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in findings.rows.problems:
        problems[row.stage, row.kind, row.message].append(labels.get(row.trial or "", THE_STUDY))
    return FailuresInfo(
        planned=len(trials) + len(rowless),
        finished=sum(trial.status == "finished" for trial in trials),
        failed=tuple(
            FailedInfo(labels[row.trial], row.error_kind or "", row.error or "", _epochs(findings, row), row.attempts)
            for row in trials
            if row.status == "failed"
        ),
        unfinished=(*unfinished, *(UnfinishedInfo(label, "not in the store", 0) for label in rowless)),
        problems=tuple(ProblemInfo(*key, tuple(names)) for key, names in problems.items()),
    )


def trial_label(recipe: str | None, rate: float, seed: int) -> str:
    """A trial in words: `structured 0.4, seed 1`."""
    return f"{recipe} {rate:g}, seed {seed}" if recipe is not None else f"unpruned, seed {seed}"


def _epochs(findings: Findings, trial: TrialRow) -> int:
    series = findings.series.get(trial.trial)
    return max(int(series.epochs[-1]) if series is not None else 0, trial.checkpoint_epoch or 0)


def _without_row(findings: Findings) -> list[str]:
    """Trials of the study that the store has no row of."""
    known = {(trial.recipe, trial.rate, trial.seed) for trial in findings.rows.trials}
    planned = ((t.recipe.name if t.recipe else None, t.rate, t.seed) for t in findings.rows.study.trials())
    return [trial_label(*key) for key in planned if key not in known]


def failed_table(findings: Findings) -> Table:
    """Trials that failed, with their errors."""
    return table_of(
        "failed-trials",
        "Trials that failed",
        failures_info(findings).failed,
        (
            ("trial", TEXT, None, lambda one: one.trial),
            ("kind", TEXT, None, lambda one: one.kind),
            ("error", TEXT, None, lambda one: visible(one.error, 500)),
            ("epochs done", COUNT, None, lambda one: one.epochs),
            ("attempts", COUNT, None, lambda one: one.attempts),
        ),
        empty="No trial failed.",
    )


def unfinished_table(findings: Findings) -> Table:
    """Trials that run, wait, or have not started."""
    return table_of(
        "unfinished-trials",
        "Trials that have no result yet",
        failures_info(findings).unfinished,
        (
            ("trial", TEXT, None, lambda one: one.trial),
            ("state", TEXT, None, lambda one: one.status),
            ("epochs done", COUNT, None, lambda one: one.epochs),
        ),
        empty="Every trial has a result.",
    )


def problems_table(findings: Findings) -> Table:
    """A row per kind of problem."""
    return table_of(
        "problems",
        "What could not be done or measured",
        failures_info(findings).problems,
        (
            ("stage", TEXT, None, lambda problem: problem.stage),
            ("kind", TEXT, None, lambda problem: problem.kind),
            ("message", TEXT, None, lambda problem: problem.message),
            ("trials", LISTED, None, lambda problem: _few(problem.trials)),
        ),
        empty="Nothing was left out.",
    )


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 6 else (*names[:5], f"and {len(names) - 5} more")


def trial_blocks(findings: Findings) -> tuple[Block, ...]:
    """How many trials finished, and those that did not."""
    failures = failures_info(findings)
    text = f"{failures.finished} of {counted(failures.planned, 'trial')} finished."
    blocks: list[Block] = [Paragraph(text)]
    if failures.failed:
        blocks.append(failed_table(findings))
    if failures.unfinished:
        blocks.append(unfinished_table(findings))
    return tuple(blocks)
