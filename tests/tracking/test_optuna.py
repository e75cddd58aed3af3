"""A study that Optuna loads back."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from prunus.cli.main import app
from prunus.errors import InputError, MissingError
from prunus.store import read_study
from prunus.tracking.optuna import write_optuna
from report.made_study import Made, made_study

SMALL = ('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0,1]", "training.epochs=3")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four trials, of which one failed and one runs."""
    return made_study(tmp_path / "study", Made(overrides=SMALL, failed=(2,), running=(3,)))


def test_without_optuna_it_says_what_to_install(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingError, match=r"Pip install prunus\[optuna\]"):
        write_optuna(read_study(study), "trials.db")


@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy and Optuna
def test_optuna_loads_what_was_written(study: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed; make trackers")
    database = tmp_path / "trials.db"
    result = CliRunner().invoke(app, ["export", str(study), "--optuna", str(database)])
    assert result.stdout == f"3 trials in {database}\n"
    rows = read_study(study)
    loaded = optuna.load_study(study_name="digits", storage=f"sqlite:///{database}")
    assert [direction.name for direction in loaded.directions] == ["MAXIMIZE", "MINIMIZE"]
    unpruned, pruned, failed = loaded.trials
    assert unpruned.params == {"recipe": "unpruned", "rate": 0.0, "seed": 0}
    assert pruned.params == {"recipe": "structured", "rate": 0.8, "seed": 0}
    last = [row.metric for row in rows.epochs if row.trial == rows.trials[1].trial][-1]
    cost = next(row for row in rows.costs if row.trial == rows.trials[1].trial)
    assert pruned.values == [last, cost.effective_bops]
    assert pruned.user_attrs["parameters"] == cost.parameters
    assert sorted(pruned.intermediate_values) == [1, 2, 3]
    assert failed.state is optuna.trial.TrialState.FAIL
    assert failed.user_attrs["error_kind"] == "not_finite"
    with pytest.raises(InputError, match="already"):
        write_optuna(rows, database)
