"""Which recipe is better than which, at each rate: every pair compared over the seeds that both have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from prunus.report.comparisons import LEVEL, paired_difference
from prunus.report.content import Block, Paragraph
from prunus.report.controls import control_name
from prunus.report.findings import Cell, Findings, Key, once_per_study
from prunus.report.forms import COUNT, NAME, RATE, TEXT, TIMES
from prunus.report.statistics import Interval, holm, mean_interval
from prunus.report.tables import Table, table_of
from prunus.report.words import counted


@dataclass(frozen=True)
class PlaceInfo:
    """One recipe at one rate among all that were run at it.

    wins, defeats: recipes that it is shown to be better or worse than, paired by seed; ties: the others.
    first, last: the ranks that this leaves open. seconds: of a trial, training and testing included; None if unknown.
    """

    recipe: str
    rate: float
    final: Interval
    wins: int
    ties: int
    defeats: int
    seconds: float | None

    @property
    def first(self) -> int:
        """The best rank it may have: behind all that are shown to be better."""
        return 1 + self.defeats

    @property
    def last(self) -> int:
        """The worst rank it may have: before all that are shown to be worse."""
        return 1 + self.defeats + self.ties


@once_per_study
def leaderboard_info(findings: Findings) -> tuple[PlaceInfo, ...]:
    """Rate by rate, the best mean first; rates at which one recipe alone was run are left out.

    All pairs at all rates are one family, corrected by Holm's method: in at most 5 % of studies any win is false.
    """
    cells = [cell for cell in findings.all_cells if cell.recipe is not None and findings.metric_of(cell) is not None]
    by_rate = {rate: [cell for cell in cells if cell.rate == rate] for rate in sorted({cell.rate for cell in cells})}
    wins, defeats = _shown(findings, list(by_rate.values()))
    places: list[PlaceInfo] = []
    for rate, rivals in by_rate.items():
        found = []
        for cell in rivals if len(rivals) > 1 else ():
            final, key = findings.metric_of(cell), (cell.recipe, rate)
            if final is not None and cell.recipe is not None:
                took = mean_interval(trial.seconds for trial in cell.finished)
                ties = len(rivals) - 1 - wins[key] - defeats[key]
                seconds = took.mean if took else None
                found.append(PlaceInfo(cell.recipe, rate, final, wins[key], ties, defeats[key], seconds))
        places += sorted(found, key=lambda place: -findings.metric.gain(place.final.mean))
    return tuple(places)


def comparisons_in(places: tuple[PlaceInfo, ...]) -> int:
    """How many pairs were compared."""
    return sum(place.wins + place.ties + place.defeats for place in places) // 2


def _shown(findings: Findings, by_rate: list[list[Cell]]) -> tuple[Counter[Key], Counter[Key]]:
    """How many others each recipe and rate is shown to be better and worse than."""
    pairs = [pair for rivals in by_rate for pair in combinations(rivals, 2)]
    paired = [paired_difference(findings, *pair) for pair in pairs]
    differences = [one.interval if one else None for one in paired]
    p_values = holm([one.p_of_no_difference if one else 1.0 for one in differences])
    wins: Counter[Key] = Counter()
    defeats: Counter[Key] = Counter()
    for pair, difference, p_value in zip(pairs, differences, p_values, strict=True):
        if difference is not None and p_value < LEVEL:
            better, worse = pair if findings.metric.gain(difference.mean) > 0 else reversed(pair)
            wins[better.recipe, better.rate] += 1
            defeats[worse.recipe, worse.rate] += 1
    return wins, defeats


def leaderboard_table(findings: Findings) -> Table:
    """A row per recipe and rate; ranks as far as the seeds tell."""
    kinds, metric = {recipe.name: recipe.control for recipe in findings.recipes}, findings.metric
    return table_of(
        "leaderboard",
        "Leaderboard: at each rate, how many recipes a recipe is shown to be better (wins) or worse (defeats) than",
        leaderboard_info(findings),
        (
            ("rate", RATE, "asked", lambda place: place.rate),
            (
                "rank",
                TEXT,
                None,
                lambda place: str(place.first) if place.first == place.last else f"{place.first} to {place.last}",
            ),
            ("recipe", NAME, None, lambda place: place.recipe),
            ("control", TEXT, None, lambda place: control_name(kinds.get(place.recipe))),
            (metric.with_unit(f"final {metric.name}"), metric.value_interval, "measured", lambda place: place.final),
            ("wins", COUNT, "computed", lambda place: place.wins),
            ("ties", COUNT, "computed", lambda place: place.ties),
            ("defeats", COUNT, "computed", lambda place: place.defeats),
            ("seconds of a trial", TIMES, "measured", lambda place: place.seconds),
        ),
        empty="At no rate did two recipes finish.",
    )


def leaderboard_blocks(findings: Findings) -> tuple[Block, ...]:
    """The table, and how it was corrected."""
    pairs = comparisons_in(leaderboard_info(findings))
    if not pairs:
        return (leaderboard_table(findings),)
    text = (
        "In the leaderboard every two recipes of a rate are compared by a paired t test, "
        f"{counted(pairs, 'comparison')} in all, corrected by Holm's method: in at most 5 % of studies like "
        "this one it holds any false win. A tie says that the seeds do not tell, not that two recipes are as good."
    )
    return (Paragraph(text), leaderboard_table(findings))
