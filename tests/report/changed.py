"""Rows of a study with one thing changed, so that a test can say what follows from that thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from prunus.store.study_rows import StudyRows

Accuracy = Callable[[float, int, int], float]
"""(rate, seed, epoch) -> share of correct answers."""


def with_accuracy(rows: StudyRows, recipe: str | None, accuracy: Accuracy) -> StudyRows:
    """One recipe's test accuracies (the control's: None); out of 10,000 inputs, so that no rounding matters."""
    trials = {trial.trial: trial for trial in rows.trials if trial.recipe == recipe}

    def changed(row):
        if row.trial not in trials:
            correct = round(10_000 * row.test_correct / row.test_total)
            return replace(row, test_correct=correct, test_total=10_000, metric=math.nan)
        trial = trials[row.trial]
        correct = round(10_000 * accuracy(trial.rate, trial.seed, row.epoch))
        return replace(row, test_correct=correct, test_total=10_000, metric=math.nan)  # which follows from the answers

    return replace(rows, epochs=tuple(changed(row) for row in rows.epochs))


def with_latency(rows: StudyRows, recipe: str, ratio: float, *, threads: int | None = None) -> StudyRows:
    """Every timed run of one recipe takes `ratio` of the unpruned network's in the same round."""
    recipes = {trial.trial: trial.recipe for trial in rows.trials}
    key = ("runtime", "batch_size", "threads", "round")
    control = {
        tuple(getattr(row, name) for name in key): row.latency_ms
        for row in rows.latencies
        if recipes[row.trial] is None
    }
    latencies = tuple(
        replace(row, latency_ms=ratio * control[tuple(getattr(row, name) for name in key)])
        if recipes[row.trial] == recipe and threads in (None, row.threads)
        else row
        for row in rows.latencies
    )
    return replace(rows, latencies=latencies)


def with_threads(rows: StudyRows, threads: int) -> StudyRows:
    """Everything was also timed with more threads, and was as fast."""
    return replace(rows, latencies=(*rows.latencies, *(replace(row, threads=threads) for row in rows.latencies)))


def with_memory(rows: StudyRows, recipe: str, ratio: float) -> StudyRows:
    """One recipe's networks take `ratio` of the unpruned network's peak memory."""
    recipes = {trial.trial: trial.recipe for trial in rows.trials}
    control = {
        (row.runtime, row.batch_size): row.peak_bytes - row.baseline_bytes
        for row in rows.memories
        if recipes[row.trial] is None
    }
    memories = tuple(
        replace(row, peak_bytes=row.baseline_bytes + round(ratio * control[row.runtime, row.batch_size]))
        if recipes[row.trial] == recipe
        else row
        for row in rows.memories
    )
    return replace(rows, memories=memories)


def with_size(rows: StudyRows, recipe: str, ratio: float) -> StudyRows:
    """One recipe's files have `ratio` of the unpruned network's bytes."""
    recipes = {trial.trial: trial.recipe for trial in rows.trials}
    control = {row.format: row.size_bytes for row in rows.files if recipes[row.trial] is None}
    files = tuple(
        replace(row, size_bytes=round(ratio * control[row.format])) if recipes[row.trial] == recipe else row
        for row in rows.files
    )
    return replace(rows, files=files)


def with_recipes(rows: StudyRows, *names: str) -> StudyRows:
    """Only these recipes, and the control."""
    trials = tuple(trial for trial in rows.trials if trial.recipe is None or trial.recipe in names)
    kept = {trial.trial for trial in trials}
    study = rows.study.model_copy(
        update={"recipes": tuple(recipe for recipe in rows.study.recipes if recipe.name in names)}
    )
    tables = ("epochs", "costs", "layers", "classes", "files", "latencies", "memories")
    return replace(
        rows,
        study=study,
        trials=trials,
        **{name: tuple(row for row in getattr(rows, name) if row.trial in kept) for name in tables},
    )


def with_seeds(rows: StudyRows, *seeds: int) -> StudyRows:
    """Only these seeds."""
    return replace(
        rows,
        study=rows.study.model_copy(update={"seeds": seeds}),
        trials=tuple(trial for trial in rows.trials if trial.seed in seeds),
    )


def without(rows: StudyRows, *tables: str) -> StudyRows:
    """Nothing in these tables."""
    return replace(rows, **dict.fromkeys(tables, ()))
