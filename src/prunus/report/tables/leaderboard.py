"""The recipes of each rate, the best first."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import ACCURACY_INTERVAL, COUNT, NAME, RATE, TEXT, TIMES


def leaderboard_table(findings: Findings) -> Table:
    """A row per recipe and rate; ranks as far as the seeds tell."""
    kinds = {recipe.name: recipe.control for recipe in findings.recipes}
    rows = tuple(
        (
            place.rate,
            str(place.first) if place.first == place.last else f"{place.first} to {place.last}",
            place.recipe,
            kinds.get(place.recipe) or "",
            place.final,
            place.wins,
            place.ties,
            place.defeats,
            place.seconds,
        )
        for place in findings.leaderboard
    )
    return Table(
        "leaderboard",
        "Leaderboard: at each rate, how many recipes a recipe is shown to be better (wins) or worse (defeats) than",
        (
            Column("rate", RATE, "asked"),
            Column("rank", TEXT),
            Column("recipe", NAME),
            Column("control", TEXT),
            Column("final accuracy, %", ACCURACY_INTERVAL, "measured"),
            Column("wins", COUNT, "computed"),
            Column("ties", COUNT, "computed"),
            Column("defeats", COUNT, "computed"),
            Column("seconds of a trial", TIMES, "measured"),
        ),
        rows,
        empty="At no rate did two recipes finish.",
    )
