"""Which recipe is better than which, at one rate."""

from dataclasses import replace

import pytest

from prunus.report.findings import Findings
from prunus.report.leaderboard import leaderboard_info
from report.tiny import epochs, grid, trial


def board(**accuracies: tuple[float, ...]) -> Findings:
    """Recipes at rate 0.5 with the final accuracy of each seed; a trial takes two seconds."""
    trials, ends = [], []
    for recipe, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            trials.append(replace(trial("s0"), trial=f"{recipe}{seed}", recipe=recipe, seed=seed, seconds=2.0))
            ends += epochs(f"{recipe}{seed}", round(1000 * accuracy))
    return grid(tuple(trials), epochs=ends)


def test_wins_ties_and_the_ranks_they_leave_open():
    places = leaderboard_info(board(low=(0.5, 0.51, 0.52), high=(0.9, 0.91, 0.92), equal=(0.91, 0.9, 0.923)))
    assert [(p.recipe, p.wins, p.ties, p.defeats, p.first, p.last) for p in places] == [
        ("equal", 1, 1, 0, 1, 2),
        ("high", 1, 1, 0, 1, 2),
        ("low", 0, 0, 2, 3, 3),
    ]
    assert places[0].seconds == pytest.approx(2)


def test_one_recipe_alone_has_no_rank():
    assert leaderboard_info(board(alone=(0.5, 0.5, 0.5))) == ()
