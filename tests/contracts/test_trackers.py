"""Every tracker with the real program, offline: what it was told is there when that program reads it."""

from __future__ import annotations

import json
import os
import sqlite3
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from prunus.store import read_study
from prunus.tracking import TRACKERS, Tracker, trackers_of
from prunus.tracking.following import follow
from report.made_study import Made, made_study

SMALL = ('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0]", "training.epochs=3")
LABELS = ("unpruned, seed 0", "structured 0.8, seed 0")
Curves = dict[str, list[tuple[int, float]]]

pytestmark = pytest.mark.filterwarnings("ignore")  # of the programs that are told


def of_tensorboard(folder: Path) -> tuple[Curves, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    curves, parameters = {}, 0.0
    for label in LABELS:
        events = EventAccumulator(str(folder / "tensorboard" / "digits" / label))
        events.Reload()
        curves[label] = [(one.step, float(make_ndarray(one.tensor_proto))) for one in events.Tensors("accuracy")]
        if label == LABELS[0]:
            parameters = float(make_ndarray(events.Tensors("final/parameters")[0].tensor_proto))
    return curves, parameters


def of_mlflow(folder: Path) -> tuple[Curves, float]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"file://{folder}/mlruns")
    experiment = client.get_experiment_by_name("digits")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(LABELS, "FINISHED")
    assert runs[LABELS[1]].data.params["rate"] == "0.8"
    curves = {
        name: sorted((one.step, one.value) for one in client.get_metric_history(run.info.run_id, "accuracy"))
        for name, run in runs.items()
    }
    return curves, runs[LABELS[0]].data.metrics["final.parameters"]


def records(file: Path) -> list[Any]:
    """What lies in a run's file: the log format of LevelDB after a head of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    data, position, found, part = file.read_bytes(), 7, [], b""
    while position + 7 <= len(data):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        part += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def key(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


def of_wandb(folder: Path) -> tuple[Curves, float]:
    curves: Curves = {}
    parameters = 0.0
    for file in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        found = records(file)
        (name,) = {one.run.display_name for one in found if one.WhichOneof("record_type") == "run"}
        for one in found:
            if one.WhichOneof("record_type") == "history":
                values = {key(item): json.loads(item.value_json) for item in one.history.item}
                curves.setdefault(name, []).append((values["_step"], values["accuracy"]))
            for item in one.summary.update:
                if name == LABELS[0] and key(item) == "final.parameters":
                    parameters = json.loads(item.value_json)
    return curves, parameters


def of_trackio(folder: Path) -> tuple[Curves, float]:
    curves: Curves = {}
    parameters = 0.0
    with sqlite3.connect(folder / "kept" / "p.db") as database:
        for name, step, text in database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id"):
            label, values = name.rpartition(" (")[0], json.loads(text)
            if "accuracy" in values:
                curves.setdefault(label, []).append((step, values["accuracy"]))
            if label == LABELS[0]:
                parameters = values.get("final/parameters", parameters)
    return curves, parameters


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], tuple[Curves, float]]]] = {
    "tensorboard": (lambda _: True, of_tensorboard),
    "mlflow": (lambda folder: f"file://{folder}/mlruns", of_mlflow),
    "wandb": (lambda _: "p", of_wandb),
    "trackio": (lambda _: {"project": "p", "folder": "kept"}, of_trackio),
}


def test_every_tracker_is_read_back() -> None:
    assert set(READERS) == set(TRACKERS.names())


@pytest.mark.parametrize("name", TRACKERS.names())
def test_its_extra_brings_it(name: str) -> None:
    kind = TRACKERS.get(name)
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(kind.packages[0] in requirement for requirement in extras["optional-dependencies"][kind.extra])


@pytest.mark.parametrize("name", READERS)
def test_what_it_was_told_is_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in TRACKERS.get(name).packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed; make trackers")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    folder = made_study(tmp_path, Made(overrides=SMALL))
    asked, read_back = READERS[name]
    trackers: dict[str, Tracker] = trackers_of({name: asked(folder)})
    follow(folder, trackers, pytest.fail, lambda _: True)
    rows = read_study(folder)
    curves, parameters = read_back(folder)
    told = {
        label: [(row.epoch, pytest.approx(row.metric, rel=1e-6)) for row in rows.epochs if row.trial == trial.trial]
        for label, trial in zip(LABELS, rows.trials, strict=True)
    }
    assert curves == told
    assert parameters == next(row.parameters for row in rows.costs if row.trial == rows.trials[0].trial)
