"""Simulated studies of networks whose true accuracies are known: how often is what the report says of them false?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from prunus.report.answer import answer_info
from prunus.report.findings import Findings
from prunus.report.latencies import latencies_info
from prunus.report.leaderboard import leaderboard_info
from prunus.report.losses import losses_info, power
from prunus.spec import Metric
from prunus.store import EpochRow, LatencyRow, StudyRows
from report.tiny import cost, epochs, rows, trial

RECIPES, RATES = tuple("abcdefg"), (0.4, 0.8)
STUDIES = 150
AT_MOST = 0.05 + 3 * (0.05 * 0.95 / STUDIES) ** 0.5
"""5 %, and three standard errors of so many simulated studies."""


def simulated(
    random: np.random.Generator, seeds: int, losses: dict[tuple[str, float], float], noise: float = 0.002
) -> StudyRows:
    """Final accuracies out of 10,000: noise that all trials of a seed share, and each trial's own.

    losses: in points, of a recipe at a rate; what is not named loses nothing.
    """
    shared = random.normal(0, 0.004, seeds)
    trials, tables, costs = [], [], []
    cells = [(None, 0.0), *((recipe, rate) for recipe in RECIPES for rate in RATES)]
    for recipe, rate in cells:
        for seed in range(seeds):
            name = f"{recipe}{rate:g}-{seed}"
            share = 0.95 - losses.get((recipe or "", rate), 0.0) / 100 + shared[seed] + random.normal(0, noise)
            pattern = "channel" if recipe else None
            trials.append(trial("u0", trial=name, recipe=recipe, pattern=pattern, rate=rate, seed=seed))
            tables += epochs(name, round(10_000 * share), total=10_000)
            costs.append(cost(name, 1000, round(1000 * (1 - rate)) - RECIPES.index(recipe) if recipe else 1000))
    return rows(tuple(trials), epochs=tables, costs=costs)


def studies(seeds: int, losses: dict[tuple[str, float], float]) -> Iterator[Findings]:
    random = np.random.default_rng(seeds)
    for _ in range(STUDIES):
        yield Findings(simulated(random, seeds, losses))


def named(findings: Findings) -> tuple[str, float] | None:
    """The network that the first page says to ship without any doubt."""
    info = answer_info(findings)
    chosen = info.choice if info else None
    return (str(chosen.recipe), chosen.rate) if chosen and chosen.evidence == "shown" else None


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_recipes_are_seldom_told_apart(seeds: int) -> None:
    wins = differ = 0
    for study in studies(seeds, {}):
        wins += any(place.wins for place in leaderboard_info(study))
        differ += any(loss.reading in ("lower", "higher") for loss in losses_info(study))
    assert wins / STUDIES <= AT_MOST
    assert differ / STUDIES <= AT_MOST


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("lost", [1.0, 2.0])
def test_the_network_to_ship_seldom_loses_more_than_the_margin(seeds: int, lost: float) -> None:
    """The cheap half of 14 networks loses the margin or more, and the cheapest is looked for among all of them."""
    losses = {(recipe, 0.8): lost for recipe in RECIPES}
    wrong = sum((found := named(study)) is not None and found[1] == 0.8 for study in studies(seeds, losses))
    assert wrong / STUDIES <= AT_MOST


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_half_a_point_is_within_the_margin_and_seldom_called_none_too_many(seeds: int) -> None:
    """A loss of 0.5 points may be read as lower or as equivalent within 1 point, never as higher."""
    losses = {(recipe, rate): 0.5 for recipe in RECIPES for rate in RATES}
    wrong = sum(any(loss.reading == "higher" for loss in losses_info(study)) for study in studies(seeds, losses))
    assert wrong / STUDIES <= AT_MOST


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_relative_margin_knows_that_the_unpruned_value_scatters(seeds: int) -> None:
    """Networks that lose the margin exactly are seldom equivalent within it, however far unpruned values scatter."""
    random, count, wrong = np.random.default_rng(0), 1500, 0
    metric = Metric(name="perplexity", unit="", higher_is_better=False, margin=2, relative=True)
    for _ in range(count):
        unpruned = 30 * (1 + random.normal(0, 0.2, seeds))
        pruned = 0.02 * 30 + unpruned + random.normal(0, 0.15, seeds)
        trials = [trial(f"{name}0", trial=f"{name}{seed}", seed=seed) for seed in range(seeds) for name in "us"]
        values = {
            f"{name}{seed}": ends[seed] for seed in range(seeds) for name, ends in (("u", unpruned), ("s", pruned))
        }
        ends = [EpochRow(key, 1, 1.0, 1.0, None, None, 0.5, 1e-3, 0.1, value) for key, value in values.items()]
        found = rows(tuple(trials), epochs=ends)
        study = Findings(replace(found, study=found.study.model_copy(update={"metric": metric})))
        wrong += losses_info(study)[1].reading == "equivalent"
    assert wrong / count <= 0.05 + 3 * (0.05 * 0.95 / count) ** 0.5


def test_ten_seeds_show_what_is_there() -> None:
    """A report that never says anything is never wrong; this one finds the network and the losses."""
    losses = {(recipe, 0.8): 2.0 for recipe in RECIPES}
    right = shown = 0
    for study in studies(10, losses):
        right += named(study) == ("g", 0.4)
        shown += all(loss.is_worse for loss in losses_info(study) if loss.rate == 0.8)
    assert right / STUDIES >= 0.9
    assert shown / STUDIES >= 0.9


def test_three_seeds_cannot_show_equivalence_and_the_report_says_what_it_takes() -> None:
    study = Findings(simulated(np.random.default_rng(0), 3, {}, noise=0.005))
    assert re.fullmatch(
        "with 3 seeds and 14 comparisons at once that takes differences which scatter by less than "
        r"0\.15 points from seed to seed, and here they scatter by 0\.\d\d? \(median\)\. More seeds or fewer recipes "
        r"and rates tell more\.",
        power(study),
    )
    info = answer_info(study)
    assert info is not None
    assert info.choice is not None
    assert info.choice.evidence != "shown"


def timed(random: np.random.Generator, faster: dict[str, float]) -> Findings:
    """Thirty rounds of the unpruned network and 14 others, which share the machine's drift; faster: true ratios."""
    drift = np.exp(np.cumsum(random.normal(0, 0.01, 30)))
    trials, latencies = [], []
    for name in ("unpruned", *(f"{recipe}{rate:g}" for recipe in RECIPES for rate in RATES)):
        recipe, rate = (None, 0.0) if name == "unpruned" else (name[0], float(name[1:]))
        trials.append(trial("u0", trial=name, recipe=recipe, pattern="channel", rate=rate))
        taken = faster.get(name, 1.0) * drift * np.exp(0.03 * np.abs(random.standard_t(3, 30)))
        latencies += [LatencyRow(name, "torch", 1, 1, number, float(value)) for number, value in enumerate(taken)]
    return Findings(rows(tuple(trials), latencies=latencies))


def test_networks_that_are_as_fast_are_seldom_told_apart_and_a_faster_one_is() -> None:
    random, count = np.random.default_rng(0), 40
    told = own = found = 0
    for _ in range(count):
        readings = {f"{info.recipe}{info.rate:g}": info for info in latencies_info(timed(random, {"c0.8": 0.9}))}
        equal = [info for name, info in readings.items() if name != "c0.8"]
        told += any(info.reading in ("faster", "slower") for info in equal)
        own += any(info.ratio is not None and (info.ratio.high < 1 or info.ratio.low > 1) for info in equal)
        found += readings["c0.8"].reading == "faster"
    assert told / count <= 0.05 + 3 * (0.05 * 0.95 / count) ** 0.5
    assert own > 2 * told  # which is why what is read is not left to each row's own interval
    assert found / count >= 0.9
