from types import SimpleNamespace

import pytest

from prunus.report.analysis.leaderboard import leaderboard_info
from prunus.report.statistics import mean_interval


def grid(**accuracies):
    """Recipes at rate 0.5, three seeds each; what the leaderboard asks of a grid."""
    cells, finals = [], {}
    for recipe, values in accuracies.items():
        trials = [SimpleNamespace(trial=f"{recipe}{seed}", seed=seed, seconds=2.0) for seed in range(3)]
        finals |= {trial.trial: value for trial, value in zip(trials, values, strict=True)}
        cells.append(SimpleNamespace(recipe=recipe, rate=0.5, finished=trials))
    found = SimpleNamespace(all_cells=cells, final_accuracy=finals, resolution=0.001)
    found.accuracy_of = lambda cell: mean_interval(finals[trial.trial] for trial in cell.finished)
    return found


def test_wins_ties_and_the_ranks_they_leave_open():
    places = leaderboard_info(grid(low=(0.5, 0.51, 0.52), high=(0.9, 0.91, 0.92), equal=(0.91, 0.9, 0.923)))
    assert [(p.recipe, p.wins, p.ties, p.defeats, p.first, p.last) for p in places] == [
        ("equal", 1, 1, 0, 1, 2),
        ("high", 1, 1, 0, 1, 2),
        ("low", 0, 0, 2, 3, 3),
    ]
    assert places[0].seconds == pytest.approx(2)


def test_one_recipe_alone_has_no_rank():
    assert leaderboard_info(grid(alone=(0.5, 0.5, 0.5))) == ()
