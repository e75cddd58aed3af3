"""Studies that are not about accuracy: direction, unit, margin and words are those of their metric."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prunus.cli.main import app
from prunus.report import curves, summary
from prunus.report.answer import answer
from prunus.report.build import build_report
from prunus.report.collapses import collapses_info
from prunus.report.controls import controls_blocks
from prunus.report.costs import costs_info
from prunus.report.curves import curves_info
from prunus.report.drawing import styled
from prunus.report.findings import Findings
from prunus.report.headline import as_given, collapsed_runs, ends_lower, not_finite_runs
from prunus.report.leaderboard import leaderboard_info
from prunus.report.losses import losses_info, symlog_ticks
from prunus.report.measures import measures_info
from prunus.report.metric import StudyMetric
from prunus.report.palette import Palette
from prunus.report.statements import STATEMENTS, judged
from prunus.report.statistics import Interval
from prunus.report.summary import summary_info
from prunus.results.run_state import RunState
from prunus.spec import Control, Metric
from prunus.store import EpochRow, MetricRow, read_study
from report.made_study import Made, made_study
from report.other_metrics import STUDIES, of
from report.tiny import ALL, cost, rows, trial

RMSE = Metric(name="RMSE", unit="°C", higher_is_better=False, margin=0.05)
PERPLEXITY = Metric(name="perplexity", unit="", higher_is_better=False, margin=2, relative=True)
R_SQUARED = Metric(name="R²", unit="", margin=0.02)
MEAN_IOU = Metric(name="mean IoU")


@pytest.fixture(scope="module", params=STUDIES)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of each kind of metric, with its report."""
    folder = made_study(tmp_path_factory.mktemp("other"), STUDIES[request.param])
    build_report(folder)
    return folder


def show(*words: object) -> str:
    result = CliRunner().invoke(app, ["show", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_nothing_speaks_of_accuracy_unless_it_is_that(other: Path) -> None:
    page = (other / "report.html").read_text()
    assert "data-failed" not in page
    assert "could not be drawn" not in page
    written = [*other.glob("figures/*.svg"), *other.glob("tables/*.csv"), *other.glob("tables/rows/*.csv")]
    texts = {str(path): path.read_text() for path in written} | {"page": page}
    texts |= {option: show(other, *option.split()) for option in ("", "--json", "--csv")}
    assert [name for name, text in texts.items() if "accura" in (name + text).lower()] == []
    body = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S))
    assert re.findall(r"\b(?:nan|None|inf)\b|\{\w+\}", body) == []
    assert "Classes that can no longer be predicted" not in body
    metric = read_study(other).study.metric
    assert f"final test {metric.name}" in page.replace("Final", "final")


def test_programs_find_the_same_names_for_every_metric_and_which_one_beside(other: Path) -> None:
    metric = read_study(other).study.metric
    document = json.loads(show(other, "--json").split("\n1 recipe")[0])
    assert document["metric"]["name"] == metric.name
    assert document["metric"]["higher_is_better"] is metric.higher_is_better
    assert document["cells"][0]["metric"]["count"] == 3
    assert {"accuracy", "balanced"} & set(document["cells"][0]) == set()
    assert {one["measure"] for one in document["measures"]} == {"R²", "bias", "largest error"}
    for text in (show(other, "--csv"), (other / "tables" / "metric-lost.csv").read_text()):
        first = next(csv.DictReader(text.splitlines()))
        assert math.isfinite(float(first["metric (measured)"]))
        assert (first["metric name"], first["metric unit"]) == (metric.name, metric.unit)


WEIRD = {
    "all zero": of(PERPLEXITY, "own", lambda _: 0.0),
    "no number": of(PERPLEXITY, "own", lambda _: math.nan),
    "some infinite": of(RMSE, "own", lambda share: math.inf if share < 0.95 else 1 - share),
    "over decades": of(PERPLEXITY, "own", lambda share: math.exp(200 * (1 - share))),
    "markup": of(Metric(name='<b onload=1>"&{key} `x` $a$', unit="<i>$=1"), "own", lambda share: 3 * share),
}


@pytest.mark.parametrize("made", WEIRD.values(), ids=WEIRD)
def test_whatever_values_and_names_are_there_is_a_whole_report(made: Made, tmp_path: Path) -> None:
    page = build_report(made_study(tmp_path, made)).read_text()
    assert "data-failed" not in page
    assert "could not be drawn" not in page
    assert "<b onload" not in page
    body = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S))
    assert not re.search(r"\b(nan|None|inf)\b", body)
    assert json.loads(show(tmp_path, "--json").split("\n1 recipe")[0], parse_constant=str)["cells"]


def ended(metric: Metric, **values: tuple[float, ...]) -> Findings:
    """Unpruned (`u`), structured at 0.5 (`s`) and other recipes, a value a seed, each at the end of three epochs."""
    trials, epochs = [], []
    for name, ends in values.items():
        for seed, end in enumerate(ends):
            key = f"{name}{seed}"
            kind = trial("u0" if name == "u" else "s0", trial=key, seed=seed)
            trials.append(kind if name in "us" else replace(kind, recipe=name))
            worse = (1.5 if not metric.higher_is_better else 0.5) * end
            for number, value in enumerate((worse, end, end), start=1):
                epochs.append(EpochRow(key, number, 1.0, 1.0, None, None, 0.5, 1e-3, 0.1, value))
    found = rows(tuple(trials), epochs=epochs, costs=[cost(t.trial, 100, 40 if t.recipe else 100) for t in trials])
    return Findings(replace(found, study=found.study.model_copy(update={"metric": metric})))


UNPRUNED = (0.400, 0.402, 0.404)
WORSE, SAME, BETTER = (0.60, 0.603, 0.604), (0.401, 0.402, 0.405), (0.30, 0.301, 0.303)


@pytest.mark.parametrize(
    ("ends", "reading", "is_worse", "keeps"),
    [(WORSE, "higher", True, False), (SAME, "equivalent", False, True), (BETTER, "lower", False, True)],
)
def test_readings_say_lower_or_higher_and_mean_better_or_worse(
    ends: tuple[float, ...], reading: str, is_worse: bool, keeps: bool
) -> None:
    _, pruned = losses_info(ended(RMSE, u=UNPRUNED, s=ends))
    assert (pruned.reading, pruned.is_worse, pruned.keeps) == (reading, is_worse, keeps)


def test_the_headline_follows_the_direction() -> None:
    assert answer(ended(RMSE, u=UNPRUNED, s=WORSE)) == (
        "Ship the unpruned network: every pruned one is shown to have a higher RMSE."
    )
    assert answer(ended(RMSE, u=UNPRUNED, s=BETTER)) == (
        "Ship `structured` at rate 0.5: RMSE 0.3013 °C instead of 0.4020 °C, with 40 % of the bit operations "
        "(computed, not timed). It is shown to be worse by no more than 0.05 °C."
    )
    assert "`structured` (+0.2003 °C) ends above the unpruned network" in str(
        ends_lower(ended(RMSE, u=UNPRUNED, s=WORSE))
    )
    assert "is shown to be worse by no more than 0.05 °C" in str(ends_lower(ended(RMSE, u=UNPRUNED, s=SAME)))
    assert answer(ended(MEAN_IOU, u=WORSE, s=SAME)).endswith("every pruned one is shown to lose mean IoU.")


def test_a_relative_margin_is_a_share_of_the_unpruned_value() -> None:
    study = ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(30.3, 30.41, 30.22))
    assert study.metric.margin == pytest.approx(0.6)
    assert losses_info(study)[1].reading == "equivalent"
    assert study.metric.reading("equivalent") == "equivalent within 2 % of the unpruned perplexity"
    assert losses_info(ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(30.9, 31.01, 30.8)))[1].reading == "higher"
    assert ended(PERPLEXITY, s=(30.3, 30.4, 30.2)).metric.margin == 0  # nothing is equivalent to what is not known


def test_the_study_names_another_margin() -> None:
    study = ended(RMSE, u=UNPRUNED, s=WORSE)
    wide = Findings(replace(study.rows, study=study.rows.study.model_copy(update={"margin": 0.5})))
    assert losses_info(wide)[1].reading == "equivalent"
    assert wide.metric.within == "0.5 °C"


def test_the_leaderboard_the_front_and_the_controls_follow_the_direction() -> None:
    study = ended(RMSE, u=UNPRUNED, good=BETTER, bad=WORSE)
    assert [(place.recipe, place.wins, place.defeats) for place in leaderboard_info(study)] == [
        ("good", 1, 0),
        ("bad", 0, 1),
    ]
    on_front = {info.recipe: info.on_effective_front for info in costs_info(study)}
    assert on_front == {None: False, "good": True, "bad": False}
    structured = study.rows.study.recipes[0]
    control = Control(kind="random", recipe=structured.model_copy(update={"name": "bad"}), of=("good",), rates=(0.5,))
    told = study.rows.study.model_copy(update={"control_recipes": (control,)})
    text = str(controls_blocks(Findings(replace(study.rows, study=told))))
    assert "Shown to be better than their random control: 1 of 1 (`good` 0.5); worse: 0" in text


def test_a_run_far_above_the_others_collapsed_where_lower_is_better() -> None:
    study = ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(31.0, 31.2, 400.0))
    assert [(one.seed, one.metric, one.others) for one in collapses_info(study)] == [(2, 400.0, pytest.approx(31.1))]
    assert str(collapsed_runs(study)).startswith(
        "1 run collapsed, far above the other seeds: structured 0.5, seed 2 (perplexity 400.00, other seeds 31.10)."
    )
    assert collapses_info(ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(31.0, 31.2, 2.0))) == ()  # far better is none
    assert collapses_info(ended(RMSE, u=UNPRUNED, s=(0.41, 0.411, 0.6))) == ()  # less than ten margins
    assert collapses_info(ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(31.0, 31.2, 40.0))) == ()  # not half as much again


@pytest.mark.parametrize("sick", [math.nan, math.inf, -math.inf, 1e300])
def test_a_run_that_ends_without_a_number_is_named_and_in_no_mean(sick: float) -> None:
    study = ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(31.0, sick, 31.2))
    (pruned,) = [row for row in summary_info(study) if row.recipe]
    assert pruned.metric is not None
    assert (pruned.metric.count, pruned.metric.mean) == (2, pytest.approx(31.1))
    assert str(not_finite_runs(study)).startswith("1 run ended without a finite perplexity: structured 0.5, seed 1.")
    assert not_finite_runs(ended(PERPLEXITY, u=(30.0,), s=(31.0,))) is None


@pytest.mark.parametrize(
    ("metric", "unpruned", "reached", "missed"),
    [(RMSE, 0.4, 0.404, 0.405), (R_SQUARED, 0.8, 0.792, 0.791), (R_SQUARED, -0.4, -0.404, -0.405)],
)
def test_nearly_unpruned_is_1_percent_worse(metric: Metric, unpruned: float, reached: float, missed: float) -> None:
    for value, epochs in ((reached, (2,)), (missed, (None,))):
        _, pruned = losses_info(ended(metric, u=(unpruned,), s=(value,)))
        assert pruned.epochs_to_reach == epochs if unpruned > 0 else pruned.epochs_to_reach[0] in (1, *epochs)


def test_statements_that_hold_for_accuracy_alone_are_left_out_and_the_others_worded() -> None:
    study = ended(RMSE, u=UNPRUNED, s=WORSE)
    asked = [judged(one, study) for one in STATEMENTS if one.holds_for(study.metric)]
    assert {one.key for one in STATEMENTS} - {one.key for one in asked} == {"1", "3, asked again"}
    (falls,) = [one for one in asked if "important structures" in one.claim]
    assert falls.claim == "Structured pruning: RMSE rises when important structures go."
    assert falls.verdict == "supported"
    assert str(falls.evidence[0]).startswith("`structured`: RMSE 0.6023 °C at rate 0.5, +0.2003 °C [")
    assert not any("{" in one.claim + one.rule for one in asked)


def test_trained_weights_are_told_in_the_metric() -> None:
    study = ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(31.0, 31.2, 31.4))
    begun = [replace(row, epoch=row.epoch - 1) for row in study.rows.epochs]
    assert as_given(Findings(replace(study.rows, epochs=tuple(begun)))) == (
        "The network as it was given has perplexity 45.00; trained on for 3 epochs without pruning, 30.00."
    )


def drawn_axes(findings: Findings) -> tuple[list[tuple[float, float]], list[str]]:
    """The limits and scales of the full axes of the curves and of the final values."""
    palette = Palette(findings.rates, ("structured",))
    with styled():
        whole = (
            curves.draw(curves_info(findings)[0], findings.metric, palette).figure.axes[0],
            summary.draw(summary_info(findings), ("structured",), findings.metric, palette).figure.axes[0],
        )
    return [axes.get_ylim() for axes in whole], [axes.get_yscale() for axes in whole]


def test_axes_reach_as_far_as_the_values_and_no_further() -> None:
    limits, scales = drawn_axes(ended(PERPLEXITY, u=(30.0, 30.1, 29.9), s=(3000.0, 3100.0, 3050.0)))
    assert scales == ["log", "log"]
    assert all(low < 30 and high > 3050 for low, high in limits)
    limits, _ = drawn_axes(ended(R_SQUARED, u=(0.8, 0.81, 0.82), s=(-0.5, -0.52, -0.48)))
    assert all(low < -0.5 and 0.81 < high < 1 for low, high in limits)
    limits, _ = drawn_axes(
        ended(Metric(name="error rate", higher_is_better=False), u=(0.5, 0.5, 0.5), s=(1.3, 1.3, 1.3))
    )
    assert all(low == 0 and high > 130 for low, high in limits)
    limits, _ = drawn_axes(ended(MEAN_IOU, u=WORSE, s=SAME))
    assert limits == [(0, 102), (0, 102)]


def test_symlog_ticks_are_few() -> None:
    for threshold, far in ((0.05, 0.2), (1e-9, 1e9), (3, 3.1), (0.6, 1e5)):
        ticks = symlog_ticks(threshold, -far, far)
        assert 0 in ticks
        assert len(ticks) <= 11


@pytest.mark.parametrize(
    ("unpruned", "value", "text"),
    [
        (31.2, 31.234, "31.23"),
        (0.412, 0.4, "0.4000"),
        (4123.0, 4123.4, "4,123"),
        (31.2, 1e12, "1.00e+12"),
        (5e-5, 4.91e-5, "4.91e−05"),
        (None, 0.5, "0.500"),
        (31.2, None, "unknown"),
        (-0.25, -0.1, "−0.1000"),
    ],
)
def test_values_have_digits_that_make_sense(unpruned: float | None, value: float | None, text: str) -> None:
    assert StudyMetric(Metric(name="x", unit=""), unpruned, unpruned).value(value) == text


def test_differences_are_in_the_unit_and_of_shares_in_points() -> None:
    difference = Interval(0.031, 0.01, 0.052, 3)
    assert StudyMetric(RMSE, 0.4, 0.4).difference(difference) == "+0.0310 °C [+0.0100, +0.0520]"
    assert StudyMetric(MEAN_IOU).difference(difference) == "+3.10 points [+1.00, +5.20]"
    assert StudyMetric(PERPLEXITY, 30.0, 30.0).difference(difference) == "+0.03 [+0.01, +0.05]"
    assert StudyMetric(PERPLEXITY).difference(None) == "an unknown difference"


def test_other_measures_stand_by_recipe_and_rate_each_with_its_interval() -> None:
    told = {"u0": 0.90, "u1": 0.92, "s0": 0.7, "s1": math.inf}
    found = rows(metrics=[MetricRow(name, "F1", value) for name, value in told.items()])
    unpruned, pruned = measures_info(Findings(found))
    assert (unpruned.measure, unpruned.recipe, unpruned.value.count) == ("F1", None, 2)
    assert unpruned.value.mean == pytest.approx(0.91)
    assert unpruned.value.half_width == pytest.approx(12.7062 * 0.01, rel=1e-4)
    assert (pruned.recipe, pruned.value.mean, pruned.value.count) == ("structured", 0.7, 1)
    assert measures_info(Findings(rows(ALL))) == ()


def test_a_running_study_tells_its_epochs_in_the_metric() -> None:
    state = RunState()
    state.metric = PERPLEXITY
    assert state.value(EpochRow("t", 1, 0.5, 0.25, None, None, 0.0, 1e-3, 0.1, 31.25)) == "perplexity 31.2"
    state.metric = Metric(margin=0.5)
    assert state.value(EpochRow("t", 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1)) == "75.0 %"
