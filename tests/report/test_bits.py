"""Zeros, bits, or both: which networks are which, the three fronts, and what is said of them."""

from dataclasses import replace

import pytest

from prunus.report.bits import best_ways, bits_blocks, cheapest_way, ways_info, ways_table
from prunus.report.drawing import styled
from prunus.report.findings import Findings
from prunus.report.palette import Palette
from prunus.spec import load_study
from prunus.store import CostRow, EpochRow, StudyRows, TrialRow

STUDY = """
model = "lenet5"
data = "digits"
recipes = ["unstructured", "eight"]
rates = [0.5]
controls = false
[recipe.eight]
like = "unstructured"
bits = { weights = 8, activations = 8 }
[training]
epochs = 1
"""


def made(tmp_path, accuracies, bops):
    """A study whose cells, in the order of its grid, have these accuracies and effective BOPs."""
    (tmp_path / "s.toml").write_text(STUDY)
    study = load_study(tmp_path / "s.toml")
    cells = {
        cell: place for place, cell in enumerate([(None, 0.0), ("unstructured", 0.5), ("eight", 0.0), ("eight", 0.5)])
    }
    trials, epochs, costs = [], [], []
    for position, trial in enumerate(study.trials()):
        place = cells[trial.recipe and trial.recipe.name, trial.rate]
        name, pattern = (trial.recipe.name, "element") if trial.recipe else (None, None)
        row = (
            trial.digest,
            position,
            True,
            name,
            pattern,
            trial.rate,
            trial.seed,
            "finished",
            1,
            None,
            None,
            1.0,
            None,
        )
        trials.append(TrialRow(*row))
        right = round(10_000 * accuracies[place]) + trial.seed
        epochs.append(EpochRow(trial.digest, 1, 0.1, 0.1, right, 10_000, 0.0, 0.001, 1.0))
        costs.append(CostRow(trial.digest, 9, 9, 9, 9, 1000, 1000, 1000 * 1024, bops[place], False, None, "[]"))
    empty = ((),) * 6
    return StudyRows(tmp_path, study, tuple(trials), tuple(epochs), tuple(costs), *empty, ())


def found(tmp_path, accuracies=(0.95, 0.95, 0.95, 0.95), bops=(1024000, 512000, 64000, 32000)):
    return Findings(made(tmp_path, accuracies, bops))


def test_networks_are_told_apart_and_each_way_has_its_front(tmp_path):
    ways = ways_info(found(tmp_path))
    assert [(one.way, one.rate, one.share) for one in ways] == [
        ("pruned alone", 0.5, 0.5),
        ("quantised alone", 0.0, 0.0625),
        ("both", 0.5, 0.03125),
    ]
    assert all(one.keeps and one.on_front for one in ways)


def test_both_win_where_both_keep_the_metric(tmp_path):
    text = cheapest_way(found(tmp_path))
    assert "lose no more than 1 point: 3.1 % both (`eight` at rate 0.5), 6.2 % quantised alone (`eight`) and" in text
    assert text.endswith("Both together take 50.0 % of the bit operations of the better one alone.")


@pytest.mark.parametrize(
    ("accuracies", "bops", "end"),
    [
        ((0.95, 0.95, 0.95, 0.85), (1024000, 512000, 64000, 32000), "Quantising alone would have been enough."),
        ((0.95, 0.95, 0.95, 0.85), (1024000, 10000, 64000, 32000), "Pruning alone would have been enough."),
        ((0.95, 0.85, 0.85, 0.95), (1024000, 512000, 64000, 32000), "Neither alone is shown to keep as much."),
        ((0.95, 0.85, 0.85, 0.85), (1024000, 512000, 64000, 32000), "is shown to lose no more than 1 point."),
    ],
)
def test_it_is_said_which_would_have_been_enough(tmp_path, accuracies, bops, end):
    assert cheapest_way(found(tmp_path, accuracies, bops)).endswith(end)


def test_where_each_way_is_best_by_its_mean(tmp_path):
    text = best_ways(found(tmp_path, (0.96, 0.955, 0.95, 0.90)))
    assert "both from 3.1 %, quantised alone from 6.2 % and pruned alone from 50.0 % on" in text
    assert best_ways(found(tmp_path)) == ""


def test_the_page_has_sentences_a_figure_and_its_table(tmp_path):
    findings = found(tmp_path, (0.96, 0.955, 0.95, 0.90))
    *sentences, chart = bits_blocks(findings)
    assert len(sentences) == 2
    assert len(ways_table(findings).rows) == 3
    with styled():
        drawing = chart.draw(Palette(findings.rates, ("unstructured", "eight")))
    assert "eight, rate 0.5, both: 90.0 % with 3.1 % of the BOPs" in drawing.titles.values()


def test_a_study_without_bits_says_nothing_of_them(tmp_path):
    rows = made(tmp_path, (0.95,) * 4, (1024000, 512000, 64000, 32000))
    study = rows.study.model_copy(update={"recipes": rows.study.recipes[:1]})
    assert bits_blocks(Findings(replace(rows, study=study))) == ()
