"""The sentences on top."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunus.report.drawing import drawn_recipes
from prunus.report.findings import Findings
from prunus.report.headline import as_given, cheapest_without_loss, fastest, headline, progress, unstructured_time
from prunus.spec import Control
from prunus.store import StudyRows
from report.changed import with_latency, with_recipes, with_seeds, without
from report.tiny import cost, epochs, rows

CONTROL = (*epochs("u0", 900), *epochs("u1", 902))
COSTS = [cost("u0", 100, 100), cost("s0", 40, 40), cost("s1", 40, 40)]


def test_a_whole_study_has_six_sentences(findings: Findings) -> None:
    sentences = headline(findings)
    assert len(sentences) == 6
    assert all(sentence.endswith(".") for sentence in sentences)
    assert "61 of 63 trials finished, 1 failed, 1 still to come" in sentences[0]


def test_the_cheapest_network_that_keeps_the_accuracy_is_named() -> None:
    study = Findings(rows(epochs=(*CONTROL, *epochs("s0", 899), *epochs("s1", 903)), costs=COSTS))
    assert cheapest_without_loss(study) == (
        "The cheapest network shown to lose no more than 1 point is `structured` at rate 0.5: 90.1 % (0.00 points "
        "[−1.27, +1.27] to the unpruned 90.1 %) with 40.0 % of the effective BOPs, which is computed, not timed."
    )


def test_where_none_keeps_it_that_is_said() -> None:
    study = Findings(rows(epochs=(*CONTROL, *epochs("s0", 700), *epochs("s1", 702)), costs=COSTS))
    assert cheapest_without_loss(study) == "Every pruned network is shown to lose accuracy."


def test_with_one_seed_nothing_is_said_about_keeping(complete: StudyRows) -> None:
    assert cheapest_without_loss(Findings(with_seeds(complete, 0))) is None


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
    first, *others = headline(study)
    assert first.startswith("1 recipe and 1 control at ")
    assert not any("`structured`" in sentence for sentence in others)
    assert fastest(study) != fastest(Findings(rows))
    assert drawn_recipes(study) == ("unstructured",)


def test_what_was_not_measured_is_not_mentioned(complete: StudyRows) -> None:
    study = Findings(without(complete, "latencies"))
    assert fastest(study) is None
    assert unstructured_time(study) is None
    assert len(headline(study)) == 4


def test_a_study_that_has_not_begun_tells_how_far_it_is() -> None:
    study = Findings(rows(()))
    assert headline(study) == (progress(study),)
    assert "0 of 4 trials finished, 4 still to come" in progress(study)


def test_trained_weights_are_told_with_what_more_training_made_of_them() -> None:
    given = [replace(epochs("u0", 880)[0], epoch=0), replace(epochs("u1", 880)[0], epoch=0)]
    study = Findings(rows(epochs=(*given, *CONTROL), costs=COSTS))
    assert as_given(study) == (
        "The network as it was given has 88.0 %; trained on for 3 epochs without pruning, 90.1 %."
    )
    assert as_given(Findings(rows(epochs=CONTROL, costs=COSTS))) is None
