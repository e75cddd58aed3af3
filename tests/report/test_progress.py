"""Curves, trials without a result, and provenance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from prunus.report.curves import curves_info, reference_curves
from prunus.report.failures import failures_info
from prunus.report.provenance import provenance_info
from prunus.store import ProblemRow, SessionRow
from report.tiny import STUDY, epochs, grid, trial

SESSION = SessionRow(1, "2026-01-01T00:00:00", None, None, "prunus run tiny", json.dumps(STUDY.model_dump(mode="json")),
                     "study", "code", "data", '{"torch": "2"}', '{"cpu": {"cores": 2}}')  # fmt: skip


def test_a_curve_is_the_mean_over_seeds() -> None:
    (info,) = curves_info(grid(epochs=(*epochs("s0", 100, 300), *epochs("s1", 200, 500))))
    (curve,) = info.curves
    assert curve.mean.tolist() == pytest.approx([0.15, 0.4])
    assert (curve.high - curve.mean).tolist() == pytest.approx([12.7062 * 0.05, 12.7062 * 0.1], rel=1e-4)
    assert (curve.seeds, curve.finished) == (2, True)


def test_an_epoch_that_one_seed_lacks_is_that_of_the_others() -> None:
    (info,) = curves_info(grid(epochs=(*epochs("s0", 100, 300), *epochs("s1", 200))))
    (curve,) = info.curves
    assert curve.mean.tolist() == pytest.approx([0.15, 0.3])
    assert np.isnan(curve.low[1])


def test_running_trials_are_drawn_where_none_has_finished() -> None:
    trials = (trial("u0"), trial("s0", "running"), trial("u1", "failed"), trial("s1", "running"))
    table = (*epochs("u0", 900), *epochs("s0", 100), *epochs("s1", 300), *epochs("u1", 1))
    (info,) = curves_info(grid(trials, epochs=table))
    control, pruned = info.curves
    assert (control.seeds, control.finished) == (1, True)  # the failed one does not count
    assert (pruned.finished, pruned.final) == (False, None)
    assert pruned.mean.tolist() == pytest.approx([0.2])


def test_published_curves_are_those_of_the_same_kind() -> None:
    (info,) = curves_info(grid(epochs=epochs("s0", 1)))
    assert {curve.family for curve in info.reference} == {"structured"}
    assert [curve.rate for curve in info.reference] == [0, 0.2, 0.4, 0.6, 0.8]


def test_published_curves_end_where_the_reference_experiment_says() -> None:
    ends = {(curve.family, curve.rate): round(100 * curve.accuracy[-1], 2) for curve in reference_curves()}
    assert [ends["unstructured", rate] for rate in (0, 0.2, 0.4, 0.6, 0.8)] == [92.14, 92.54, 92.56, 92.83, 93.01]
    assert [ends["structured", rate] for rate in (0, 0.2, 0.4, 0.6, 0.8)] == [92.36, 86.41, 70.36, 56.7, 33.12]
    assert all(curve.epochs == tuple(range(1, 51)) for curve in reference_curves())


def test_every_trial_without_a_result_is_told() -> None:
    trials = (
        trial("u0", "running", checkpoint_epoch=2),
        trial("s0", "failed", error_kind="killed", error="out of memory", attempts=3),
        trial("u1", "waiting"),
    )
    info = failures_info(grid(trials, epochs=epochs("u0", 1)))
    assert (info.planned, info.finished) == (4, 0)
    assert [(one.trial, one.status, one.epochs) for one in info.unfinished] == [
        ("unpruned, seed 0", "running", 2),
        ("unpruned, seed 1", "waiting", 0),
        ("structured 0.5, seed 1", "not in the store", 0),
    ]
    (failed,) = info.failed
    assert (failed.trial, failed.kind, failed.attempts) == ("structured 0.5, seed 0", "killed", 3)


def test_the_same_problem_is_told_once_with_its_trials() -> None:
    problems = [ProblemRow(name, "export", "ValueError", "no") for name in ("s0", "s1", None)]
    (info,) = failures_info(grid(problems=problems)).problems
    assert info.trials == ("structured 0.5, seed 0", "structured 0.5, seed 1", "the study")


def test_what_changed_between_sessions_is_told() -> None:
    info = provenance_info(grid(sessions=[SESSION, replace(SESSION, session=2, code_digest="other", machine="{}")]))
    assert info.changed == ("code", "machine")
    assert info.command == "prunus run tiny"
    assert info.digest == STUDY.digest


def test_nested_facts_are_shown_as_json() -> None:
    assert provenance_info(grid(sessions=[SESSION])).machine == (("cpu", '{"cores": 2}'),)


@pytest.mark.parametrize("damaged", ["", "[]", "{", "null"])
def test_damaged_facts_are_shown_as_stored(damaged: str) -> None:
    assert provenance_info(grid(sessions=[replace(SESSION, machine=damaged)])).machine == (("as stored", damaged),)


def test_accuracy_without_any_epoch_is_that_of_the_classes() -> None:
    from prunus.store import ClassRow

    study = grid(classes=[ClassRow("u0", 0, "a", 10, 5, 4, False), ClassRow("u0", 1, "b", 30, 5, 6, False)])
    assert study.final_metric == {"u0": 0.25}
