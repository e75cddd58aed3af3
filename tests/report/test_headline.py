"""The sentences on top."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunus.report.drawing import drawn_recipes
from prunus.report.findings import Findings
from prunus.report.headline import (
    as_given,
    fastest,
    few_seeds,
    findings_of,
    incomplete,
    progress,
    unstructured_time,
    warnings_of,
)
from prunus.spec import Control
from prunus.store import StudyRows
from report.changed import with_latency, with_recipes, with_seeds, without
from report.tiny import cost, epochs, rows

CONTROL = (*epochs("u0", 900), *epochs("u1", 902))
COSTS = [cost("u0", 100, 100), cost("s0", 40, 40), cost("s1", 40, 40)]


def test_a_whole_study_is_told_in_whole_sentences(findings: Findings) -> None:
    assert len(findings_of(findings)) == 3
    assert all(sentence.endswith(".") for sentence in (*findings_of(findings), *warnings_of(findings)))
    assert "61 of 63 trials finished, 1 failed, 1 still to come" in progress(findings)
    assert incomplete(findings) == (
        "Of 63 trials 1 trial failed and 1 trial has no result yet (see Diagnoses); this page is made of the others."
    )


def test_one_seed_is_a_warning_and_many_are_none(complete: StudyRows) -> None:
    assert "With one seed there is no interval" in str(few_seeds(Findings(with_seeds(complete, 0))))
    assert few_seeds(Findings(rows(()))) is None


@pytest.mark.parametrize(("ratio", "words"), [(0.5, "0.50 [0.50, 0.50] of"), (1.1, "No pruned network was measurably")])
def test_the_fastest_is_named_only_if_it_is_faster(ratio: float, words: str, complete: StudyRows) -> None:
    study = Findings(with_latency(with_recipes(complete, "structured"), "structured", ratio))
    sentence = fastest(study)
    assert sentence is not None
    assert words in sentence
    if ratio < 1:
        assert "faster in 6 of 6 measured settings" in sentence


def test_a_control_is_counted_and_nothing_else_is_said_of_it(complete: StudyRows) -> None:
    rows = with_latency(with_recipes(complete, "unstructured", "structured"), "structured", 0.5)
    structured = next(recipe for recipe in rows.study.recipes if recipe.name == "structured")
    control = Control(kind="dense", recipe=structured, of=("unstructured",), rates=(0.8,))
    study = Findings(replace(rows, study=rows.study.model_copy(update={"control_recipes": (control,)})))
    assert progress(study).startswith("1 recipe and 1 control at ")
    assert not any("`structured`" in sentence for sentence in findings_of(study))
    assert fastest(study) != fastest(Findings(rows))
    assert drawn_recipes(study) == ("unstructured",)


def test_what_was_not_measured_is_not_mentioned(complete: StudyRows) -> None:
    study = Findings(without(complete, "latencies"))
    assert fastest(study) is None
    assert unstructured_time(study) is None
    assert len(findings_of(study)) == 1


def test_a_study_that_has_not_begun_tells_how_far_it_is() -> None:
    study = Findings(rows(()))
    assert findings_of(study) == ()
    assert "0 of 4 trials finished, 4 still to come" in progress(study)


def test_trained_weights_are_told_with_what_more_training_made_of_them() -> None:
    given = [replace(epochs("u0", 880)[0], epoch=0), replace(epochs("u1", 880)[0], epoch=0)]
    study = Findings(rows(epochs=(*given, *CONTROL), costs=COSTS))
    assert as_given(study) == (
        "The network as it was given has 88.0 %; trained on for 3 epochs without pruning, 90.1 %."
    )
    assert as_given(Findings(rows(epochs=CONTROL, costs=COSTS))) is None
