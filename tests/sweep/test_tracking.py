"""A study that runs with trackers: what they do, and what they fail to do, changes nothing of it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from prunus.errors import InputError
from prunus.sweep.events import Warned
from small_study import ONE_RECIPE, ONE_SEED, rows_without_times

SHORT = ("epochs = 5", "epochs = 2")


def with_tracking(text):
    return ("[execution]", f"[tracking]\n{text}\n\n[execution]")


def test_a_study_with_trackers_is_the_same_study(run, tmp_path):
    """MLflow's server is not there, or MLflow is not: a warning either way. TensorBoard's files are, where it is."""
    warned = []
    told = with_tracking('tensorboard = true\nmlflow = "http://127.0.0.1:9"')
    outcome = run(
        SHORT, ONE_SEED, ONE_RECIPE, told, observe=lambda event: isinstance(event, Warned) and warned.append(event.text)
    )
    assert (outcome.finished, outcome.failed) == (2, 0)
    assert sum(text.startswith("mlflow is told no more of this run") for text in warned) == 1
    files = sorted(path.parent.name for path in (tmp_path / "out").rglob("events.out.tfevents.*"))
    if find_spec("tensorboard"):
        assert files == ["reference-unstructured 0.5, seed 0", "unpruned, seed 0"]
        assert len(warned) == 1
    run(SHORT, ONE_SEED, ONE_RECIPE, folder=tmp_path / "plain")
    assert rows_without_times(tmp_path / "plain") == rows_without_times(tmp_path / "out")
    run(SHORT, ONE_SEED, ONE_RECIPE, folder=tmp_path / "out")  # goes on, although it names no trackers any more


def test_an_unknown_tracker_is_refused_before_anything_runs(run, tmp_path):
    with pytest.raises(InputError, match=r"Did you mean 'tensorboard'"):
        run(SHORT, ONE_SEED, ONE_RECIPE, with_tracking("tensorbord = true"))
    assert not (tmp_path / "out" / "study.sqlite").exists()
