"""Networks, data and tasks that do not go together: one sentence each, before anything is trained where it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.data import stream
from prunus.errors import InputError, NotFiniteError
from prunus.spec import Distillation, Part, Study, load_study
from prunus.spec.load import parse_study
from prunus.sweep.loaded import Loaded
from prunus.sweep.resolve import resolve
from prunus.sweep.trial import begin
from prunus.train import train

HEAD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset
from prunus.spec import Metric
from prunus.tasks import Task
x, y = torch.randn(20, 4), torch.arange(20) % 3
def model(classes=3): return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, classes))
def images(classes=2): return nn.Conv2d(1, classes, 1)
class Rows(Dataset):
    classes = ["a", "b", "c"]
    def __init__(self, x=x, y=y): self.x, self.y = x, y
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return self.x[i], self.y[i]
class Lines(IterableDataset):
    classes = ["a", "b", "c"]
    def __iter__(self): return iter(zip(x, y))
"""


def study_of(tmp_path: Path, text: str, task: str = "classification", model: str = "model", **changes: object) -> Study:
    file = tmp_path / "own.py"
    file.write_text(HEAD + text)
    name = f"{file}:{task}" if task[0].isupper() else task
    values = {"training": {"epochs": 1, "batch_size": 8}, "rates": (0.5,), "seeds": (0,), "controls": False} | changes
    parts = {"model": Part(name=f"{file}:{model}"), "data": Part(name=f"{file}:data"), "task": Part(name=name)}
    return Study(name="own", recipes=load_study("digits").recipes[:1], **parts, **values)


ARRAYS, ROWS = "def data(): return x, y, x, y\n", "def data(): return Rows(), Rows()\n"
IMAGES = "def data():\n    a = torch.rand(8, 1, 4, 4)\n    b = (a[:, 0] > 0.5).long()\n    return "
BOXES = """
class Boxes(Rows):
    def __getitem__(self, i):
        return torch.rand(3, 8, 8), {"boxes": torch.tensor([[4.0, 4.0, 2.0, 8.0]]), "labels": torch.tensor([1])}
def data(): return Boxes(), Boxes()
"""
MISFIT = """
class Mine(Task):
    metric = Metric()
    indices = True
    def loss(self, outputs, targets): return outputs @ targets
    def measures(self, dataset): return {}
"""


@pytest.mark.parametrize(
    ("task", "model", "text", "expected"),
    [
        ("classification", "model", "def data(): return Rows(y=y + 1), Rows()", "target is 3, which is none of the 3"),
        ("classification", "model", "def data(): return Rows(y=y.float()), Rows()", "the targets are torch.float32"),
        ("classification", "model", "def data(): return Rows(x[:0], y[:0]), Rows()", "The training data are empty"),
        ("classification", "model", "def data(): return Rows(), Rows(x[:0], y[:0])", "The test data are empty"),
        ("classification", "model", "def data(): return Rows(), iter(Rows())", "test data .* gone through once only"),
        ("classification", "model", "def data(): return {'train': Rows(), 'valid': Rows()}", "train, validation and"),
        ("classification", "model", "def data(): return list(Rows()), Rows()", "returned a tuple of 2"),
        ("classification", "model", "def data(): return DataLoader([*zip(x, y)]), Rows()", "no attribute 'classes'"),
        ("classification", "wide", ARRAYS + "def wide(): return nn.Linear(4, 5)", "must give 2x3, and they give 2x5"),
        ("classification", "images", ROWS, "running it failed with"),
        ("multilabel", "model", ARRAYS, "each input has a row of labels"),
        ("multilabel", "model", "def data(): return x, x.round().abs() + 2, x, x", "labels are 0 or 1"),
        (
            "regression",
            "narrow",
            "def data(): return x, x, x, x\ndef narrow(): return nn.Linear(4, 3)",
            "the shape 2x4, and the outputs 2x3",
        ),
        ("segmentation", "images", IMAGES + "a, b[:, :2], a, b[:, :2]", "must give 2x2x2x4, and they give 2x2x4x4"),
        ("segmentation", "grey", IMAGES + "a, b + 6, a, b\ndef grey(): return images()", "there are 8 classes"),
        ("detection", "model", ROWS, "give a dictionary with 'boxes' and 'labels'"),
        ("detection", "model", BOXES.replace("[1])}", "[1])}, i"), "a target has int"),
        ("detection", "model", BOXES, "a box has no width or no height"),
        ("language-model", "model", "def data(): return {'x': x}, y, {'x': x}, y", "running it failed with"),
        ("classificatoin", "model", ARRAYS, "did you mean 'classification'"),
        ("Mine", "model", ARRAYS + "class Mine: ...", "it is no subclass of prunus.Task"),
        ("Mine", "model", ARRAYS + "class Mine(Task): ...", "lacks loss, measures, metric"),
        ("Mine", "model", ARRAYS + MISFIT, "the loss of its outputs and the targets failed with"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_trained(tmp_path, task, model, text, expected):
    with pytest.raises(InputError, match=f"(?is){expected}"):
        Loaded.of(study_of(tmp_path, text, task, model))


def begun(study):
    loaded = Loaded.of(study)
    trial = next(iter(loaded.trials.values()))
    return begin(trial, loaded.dataset, loaded.scopes[None]), loaded.dataset, trial


SHORT = """
class Loader:
    classes = [*"abc"]
    def __len__(self): return 9
    def __iter__(self): return iter(DataLoader(Rows(), 8))
def data(): return Loader(), Rows()
"""
LATE = """
class Late(Rows):
    def __len__(self): return 60
    def __getitem__(self, i): return self.x[i % 20], torch.tensor(7 if i == 50 else 0)
def data(): return Late(), Rows()
"""
ENDLESS = """
class Endless(Lines):
    def __iter__(self):
        while True:
            yield from zip(x, y)
def data(): return Endless(), Rows()
"""
UNDEFINED = """
class Undefined:
    def update(self, predictions, targets): ...
    def compute(self): return float("nan")
class Mine(Task):
    metric = Metric(name="recall of nothing")
    indices = True
    def loss(self, outputs, targets): return nn.functional.cross_entropy(outputs, targets)
    def measures(self, dataset): return {"recall of nothing": Undefined()}
    def output_size(self, dataset): return 3
def data(): return Rows(), Rows()
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SHORT, "training data ended early. They say that they have 9 batches, and gave 3"),
        (LATE, "a target is 7, which is none of the 3 classes"),
    ],
)
def test_what_only_the_training_finds_is_said_there(tmp_path, text, expected):
    state, dataset, trial = begun(study_of(tmp_path, text))
    with pytest.raises(InputError, match=f"(?is){expected}"):
        train(state, dataset, trial.training, seed=0)


def test_data_that_never_end_are_found_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "MOST_COUNTED", 1000)
    dataset = Loaded.of(study_of(tmp_path, ENDLESS)).dataset
    with pytest.raises(InputError, match=r"training data do not end.*Give the data set a __len__"):
        len(dataset.train)


def test_data_that_never_end_but_say_how_long_an_epoch_is_are_trained_on(tmp_path):
    text = ENDLESS.replace("    def __iter__", "    def __len__(self): return 40\n    def __iter__")
    state, dataset, trial = begun(study_of(tmp_path, text))
    assert train(state, dataset, trial.training, seed=0).done == 1


def test_a_metric_that_is_no_number_ends_a_trial_with_its_name(tmp_path):
    state, dataset, trial = begun(study_of(tmp_path, UNDEFINED, "Mine"))
    with pytest.raises(NotFiniteError, match="The recall of nothing was nan after epoch 1"):
        train(state, dataset, trial.training, seed=0)


NUMBERS = "def data(): return x, x[:, :1], x, x[:, :1]\ndef one(): return nn.Linear(4, 1)"


def test_labels_are_smoothed_only_where_there_are_some(tmp_path):
    training = {"epochs": 1, "label_smoothing": 0.1}
    with pytest.raises(InputError, match="has no labels that could be smoothed"):
        Loaded.of(study_of(tmp_path, NUMBERS, "regression", "one", training=training))


def test_only_images_are_augmented(tmp_path):
    training = {"epochs": 1, "augment": (Part(name="flip"),)}
    state, dataset, trial = begun(study_of(tmp_path, NUMBERS, "regression", "one", training=training))
    with pytest.raises(InputError, match=r"training\.augment cannot be used with these data"):
        train(state, dataset, trial.training, seed=0)


def test_a_detector_cannot_be_distilled(tmp_path):
    study = study_of(tmp_path, "", "detection", training={"epochs": 1, "distillation": Distillation()})
    with pytest.raises(InputError, match="Detection has nothing to learn from another network's outputs"):
        Loaded.of(study)


OWN = """
class Mine(Task):
    metric = Metric(name="mean error", unit="g", higher_is_better=False)
    def loss(self, outputs, targets): return (outputs - targets).abs().mean()
    def measures(self, dataset): return {}
"""


def test_a_margin_is_in_what_the_metric_of_the_task_is_shown_in(tmp_path):
    study = resolve(study_of(tmp_path, OWN, "Mine", margin=150))
    assert (study.metric.margin, study.metric.unit) == (150, "g")
    assert parse_study(study.model_dump(mode="json"), "here").metric == study.metric
    for task in ("classification", "language-model"):
        with pytest.raises(InputError, match="margin is 150 in percent, and with 100 any network is as good as"):
            resolve(study_of(tmp_path, "", task, margin=150))
