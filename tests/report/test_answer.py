"""What the first page says to ship, of studies worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunus.report.answer import (
    answer,
    answer_facts,
    answer_info,
    choices_info,
    going_further,
    how_sure,
    place_info,
    seeds_to_show,
    tally,
)
from prunus.report.findings import Findings
from prunus.report.front_page import MOST_ROWS, candidates_table, table_choices
from prunus.report.fronts import fronts_info
from prunus.report.statistics import Interval, mean_interval
from prunus.spec import Control
from prunus.store import LatencyRow, StudyRows
from report.changed import with_latency, with_recipes, with_seeds
from report.tiny import ALL, cost, epochs, rows, trial

UNPRUNED = (*epochs("u0", 9000, total=10_000), *epochs("u1", 9020, total=10_000))
COSTS = [cost(name, 100, 100 if name[0] == "u" else 40) for name in ("u0", "u1", "s0", "s1")]


def study(first: int, second: int, times: dict[tuple[str, int], float] | None = None) -> Findings:
    """Two seeds, unpruned at 90.00 and 90.20 %; times: milliseconds by (`u` or `s`, batch), 30 rounds of seed 0."""
    ends = (*UNPRUNED, *epochs("s0", first, total=10_000), *epochs("s1", second, total=10_000))
    timed = [
        LatencyRow(f"{name}0", "onnxruntime", batch, 1, number, value * (1 + number / 1000))
        for (name, batch), value in (times or {}).items()
        for number in range(30)
    ]
    return Findings(rows(ALL, epochs=ends, costs=COSTS, latencies=timed))


def test_a_network_that_is_shown_to_keep_its_accuracy_is_shipped() -> None:
    found = study(9001, 9021)  # one input more in either seed: +0.01 points, far within the margin of 1 point
    assert answer(found) == (
        "Ship `structured` at rate 0.5: 90.1 % instead of 90.1 %, with 40 % of the bit operations (computed, not "
        "timed). It is shown to lose no more than 1 point."
    )
    assert dict(answer_facts(found))["How sure"] == (
        "Shown to lose no more than 1 point in 2 seeds, corrected for 1 comparison."
    )
    assert tally(found) == (
        "Shown to lose no more than 1 point: 1 of 1 pruned network; shown to lose accuracy: 0; the seeds do not "
        "tell: 0."
    )


def test_a_mean_within_the_margin_is_a_best_bet_and_says_what_is_open() -> None:
    found = study(8950, 9010)  # −0.5 and −0.1 points: −0.3 ± 12.7 · 0.2 = −2.84 to +2.24
    assert answer(found).startswith("Nothing can be shipped for sure yet. `structured` at rate 0.5 is the best bet: ")
    info = answer_info(found)
    assert info is not None
    assert info.choice is not None
    assert how_sure(found, info.choice) == (
        "Open: the seeds do not rule out that accuracy is worse by 2.8 points; about 3 seeds of it alone would tell."
    )


@pytest.mark.parametrize(
    ("ends", "why"),
    [((7000, 7020), "every pruned one is shown to lose accuracy"), ((8000, 8900), "every pruned one is worse by more")],
)
def test_where_nothing_keeps_it_the_unpruned_network_is_shipped(ends: tuple[int, int], why: str) -> None:
    found = study(*ends)
    assert answer(found).startswith(f"Ship the unpruned network: {why}")
    assert answer_facts(found) == ()


def test_what_keeps_its_accuracy_and_is_not_faster_is_not_shipped() -> None:
    found = study(9001, 9021, {("u", 1): 1.0, ("s", 1): 1.0})
    assert answer(found) == (
        "Ship the unpruned network: none that might lose no more than 1 point was measured to be faster."
    )


def test_times_are_compared_where_pruning_first_saves_any() -> None:
    found = study(9001, 9021, {("u", 1): 1.0, ("s", 1): 1.0, ("u", 64): 9.0, ("s", 64): 3.0})
    assert place_info(found) == (64, 1)
    assert "with 33 % of the time at batch 64" in answer(found)
    assert place_info(study(9001, 9021, {("u", 1): 1.0, ("s", 1): 0.5, ("u", 64): 9.0, ("s", 64): 3.0})) == (1, 1)
    assert place_info(study(9001, 9021, {("u", 1): 1.0, ("s", 1): 1.0, ("u", 64): 9.0, ("s", 64): 9.0})) == (64, 1)


def test_a_network_that_is_faster_in_its_own_runtime_alone_is_not_faster() -> None:
    """It takes half of the time in one runtime, in which the unpruned network is four times as slow as in another."""
    found = study(9001, 9021, {("u", 1): 1.0, ("s", 1): 1.1})
    slow = [
        LatencyRow(f"{name}0", "prunus", 1, 1, number, value * (1 + number / 1000))
        for name, value in (("u", 4.0), ("s", 2.0))
        for number in range(30)
    ]
    both = Findings(replace(found.rows, latencies=(*found.rows.latencies, *slow)))
    (pruned,) = [one for one in choices_info(both) if one.recipe]
    assert pruned.time is not None
    assert pruned.time.setting.runtime == "onnxruntime"
    assert not pruned.is_faster
    quick = [replace(row, latency_ms=row.latency_ms / 4) for row in slow]
    (pruned,) = [
        one
        for one in choices_info(Findings(replace(both.rows, latencies=(*found.rows.latencies, *quick))))
        if one.recipe
    ]
    assert pruned.is_faster
    assert pruned.time_share == pytest.approx(0.5)


def test_a_recipe_of_which_a_run_collapsed_is_not_shipped() -> None:
    trials = (*ALL, trial("u0", trial="u2", seed=2), trial("s0", trial="s2", seed=2))
    ends = [(name, 950) for name in ("u0", "u1", "u2", "s0", "s1")]
    tables = [row for name, right in (*ends, ("s2", 100)) for row in epochs(name, right)]
    found = Findings(rows(trials, epochs=tables, costs=COSTS))
    assert {one.evidence for one in choices_info(found) if one.recipe} == {"none"}


def test_with_one_seed_it_is_a_bet_and_not_sure_at_all(complete: StudyRows) -> None:
    found = Findings(with_latency(with_recipes(with_seeds(complete, 0), "structured"), "structured", 0.5))
    info = answer_info(found)
    assert info is not None
    assert info.choice is not None
    assert info.choice.evidence == "open"
    assert how_sure(found, info.choice).startswith("Not at all: with one seed there is no interval")


def test_without_any_pair_nothing_is_said() -> None:
    assert answer(Findings(rows(()))) == (
        "No pruned network can be judged yet: none has finished beside an unpruned one."
    )
    assert tally(Findings(rows(()))) is None
    assert going_further(Findings(rows(()))) is None


@pytest.mark.parametrize(("differences", "margin"), [((-0.005, -0.001), 0.01), ((0.002, -0.004, 0.001), 0.01)])
def test_as_many_seeds_as_are_suggested_would_show_it(differences: tuple[float, ...], margin: float) -> None:
    """With the same mean and scatter over so many seeds both tests come below 5 %, with one fewer they don't."""
    found = mean_interval(differences)
    assert found is not None
    needed = seeds_to_show(found, margin)
    assert needed is not None
    assert of_seeds(found, needed).p_of_no_equivalence(margin) < 0.05
    assert of_seeds(found, needed - 1).p_of_no_equivalence(margin) > 0.05


def of_seeds(found: Interval, count: int) -> Interval:
    """The interval of as many seeds that scatter like these."""
    from prunus.report.statistics import t_quantile

    assert found.half_width is not None
    spread = found.half_width * found.count**0.5 / t_quantile(found.count - 1)
    half = t_quantile(count - 1) * spread / count**0.5
    return Interval(found.mean, found.mean - half, found.mean + half, count)


def test_no_number_of_seeds_shows_what_is_not_there() -> None:
    assert seeds_to_show(Interval(-0.012, -0.02, -0.004, 3), 0.01) is None
    assert seeds_to_show(Interval(-0.0099, -0.05, 0.03, 3), 0.01) is None


def test_the_table_has_eight_rows_at_most_with_the_answer_and_its_controls(findings: Findings) -> None:
    info = answer_info(findings)
    assert info is not None
    assert info.choice is not None
    chosen = table_choices(findings)
    assert chosen[0] == info.unpruned
    assert info.choice in chosen
    assert len(chosen) <= MOST_ROWS
    table = candidates_table(findings)
    assert table.marked is not None
    assert table.rows[table.marked][1] == "recommended"
    structured = next(recipe for recipe in findings.rows.study.recipes if recipe.name == "unstructured")
    control = Control(kind="dense", recipe=structured, of=(str(info.choice.recipe),), rates=(info.choice.rate,))
    told = findings.rows.study.model_copy(update={"control_recipes": (control,)})
    with_control = Findings(replace(findings.rows, study=told))
    assert ("unstructured", info.choice.rate) in {(one.recipe, one.rate) for one in table_choices(with_control)}


def test_the_figure_shows_what_is_near_and_counts_what_is_not(findings: Findings) -> None:
    info = fronts_info(findings)
    low, high = info.window
    assert {one.choice.row.metric.mean for one in info.shown if one.choice.row.metric} <= {
        p.metric for p in info.points
    }
    assert all(low <= 100 * point.metric <= high for point in info.shown)
    assert len(info.points) // 2 <= len(info.shown) < len(info.points)
    assert info.is_timed
    costs = [point.cost for point in info.front]
    assert costs == sorted(costs)
    gains = [point.metric for point in info.front]
    assert gains == sorted(gains)
