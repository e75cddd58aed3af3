"""Trackers are told each thing once, in order, and one that fails harms nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunus.errors import InputError
from prunus.spec import load_study
from prunus.store import EpochRow, Store, read_study
from prunus.tracking import trackers_of
from prunus.tracking.following import STATE_FILE, final_values, follow
from prunus.tracking.tensorboard import TensorBoard
from prunus.tracking.wandb import WeightsAndBiases
from report.made_study import Made, made_study
from tracking.recorder import TOLD, Absent, Failing, Recorder

SMALL = ('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0]", "training.epochs=4")


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """Two trials: the unpruned one finished, the pruned one with two of four epochs behind it."""
    TOLD.clear()
    return made_study(tmp_path / "study", Made(overrides=SMALL, running=(1,)))


def once(_seconds: float) -> bool:
    """The study has stopped by the first look."""
    return True


def of(kind: str) -> list[tuple[object, ...]]:
    return [told for told in TOLD if told[0] == kind]


def test_every_epoch_is_told_once_and_in_order(running: Path) -> None:
    follow(running, {"recorder": Recorder()}, pytest.fail, once)
    assert of("open") == [("open", "unpruned, seed 0", ""), ("open", "structured 0.8, seed 0", "")]
    assert [told[1:3] for told in of("epoch")] == [
        *(("unpruned, seed 0", number) for number in (1, 2, 3, 4)),
        *(("structured 0.8, seed 0", number) for number in (1, 2)),
    ]
    (_, label, how, values) = of("end")[0]
    rows = read_study(running)
    assert (label, how) == ("unpruned, seed 0", "finished")
    assert values == final_values(rows, rows.trials[0].trial)
    assert values["parameters"] == next(row.parameters for row in rows.costs if row.trial == rows.trials[0].trial)
    assert TOLD[-1] == ("pause", "structured 0.8, seed 0")
    values = of("epoch")[0][3]
    first = next(row for row in rows.epochs if row.trial == rows.trials[0].trial)
    assert (values["accuracy"], values["train_loss"]) == (first.metric, first.train_loss)


def test_after_an_interruption_it_goes_on_where_it_was(running: Path) -> None:
    follow(running, {"recorder": Recorder()}, pytest.fail, once)
    TOLD.clear()
    follow(running, {"recorder": Recorder()}, pytest.fail, once)
    assert TOLD == []  # nothing is new
    trial = next(row for row in read_study(running).trials if row.status == "running")
    with Store(running) as store, store.transaction():
        store.put([EpochRow(trial.trial, 3, 1.0, 1.0, 180, 360, 0.4, 1e-3, 0.2)])
        store.put([replace(trial, status="failed", error_kind="not_finite", error="The loss became NaN.")])
    follow(running, {"recorder": Recorder()}, pytest.fail, once)
    assert [told[:3] for told in TOLD] == [
        ("open", "structured 0.8, seed 0", "handle of structured 0.8, seed 0"),
        ("epoch", "structured 0.8, seed 0", 3),
        ("end", "structured 0.8, seed 0", "failed"),
    ]


def test_one_that_fails_is_a_warning_and_the_others_are_told(running: Path) -> None:
    warnings: list[str] = []
    trackers = {"failing": Failing(), "absent": Absent(), "recorder": Recorder()}
    follow(running, trackers, warnings.append, once)
    assert warnings == [
        "failing is told no more of this run, which goes on without: ConnectionError: no route to host",
        "absent is told no more of this run, which goes on without: nobody_has_this is not installed. "
        "Pip install prunus[nobody].",
    ]
    assert len(of("epoch")) == 6


@pytest.mark.parametrize("state", ["[]", "{", "\x00", "null"])
def test_a_state_that_cannot_be_read_begins_anew(running: Path, state: str) -> None:
    (running / STATE_FILE).write_text(state)
    follow(running, {"recorder": Recorder()}, pytest.fail, once)
    assert len(of("epoch")) == 6
    assert json.loads((running / STATE_FILE).read_text())["recorder"]


def test_a_study_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    looks = iter([False, True])
    follow(tmp_path, {"recorder": Recorder()}, pytest.fail, lambda _: next(looks))
    assert next(looks, None) is None


def test_what_is_asked_for_is_read() -> None:
    asked = {"wandb": "pruning", "tensorboard": True, "mlflow": False}
    assert trackers_of(asked) == {"wandb": WeightsAndBiases(project="pruning"), "tensorboard": TensorBoard()}
    assert trackers_of({"wandb": {"project": "p", "mode": "online"}})["wandb"].mode == "online"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"no tracker 'wand'\. Did you mean 'wandb'"):
        trackers_of({"wand": "p"})
    with pytest.raises(InputError, match="mode = 'sometimes'"):
        trackers_of({"wandb": {"project": "p", "mode": "sometimes"}})
    with pytest.raises(InputError, match="project"):
        trackers_of({"trackio": True})


def test_nothing_of_a_study_depends_on_its_trackers() -> None:
    plain, told = load_study("digits"), load_study("digits", ["tracking.tensorboard=true", 'tracking.wandb="p"'])
    assert told.tracking == {"tensorboard": True, "wandb": "p"}
    assert told.digest == plain.digest
    assert [one.digest for one in told.trials()] == [one.digest for one in plain.trials()]
    assert "tracking" not in plain.model_dump()
