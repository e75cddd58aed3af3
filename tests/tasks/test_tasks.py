"""The numbers of each task, worked out by hand or by torchmetrics."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from prunus.data import Dataset, Split
from prunus.errors import InputError
from prunus.spec import Part
from prunus.tasks import TASKS, Classification, task_of
from prunus.tasks.batch import example_inputs, shape_of
from prunus.train import evaluate

CPU = torch.device("cpu")


def of(name, **settings):
    return task_of(Part(name=name, settings=settings))


def judged(task, outputs, targets, *classes):
    """What a network is said to be that returns these outputs."""
    dataset = Dataset("own", split := Split(outputs, targets), split, classes)
    return evaluate(nn.Identity(), dataset, split, CPU, task, every_measure=True)


def test_classification_counts_as_torchmetrics_does():
    draws = torch.Generator().manual_seed(0)
    outputs, targets = 3 * torch.randn(500, 5, generator=draws), torch.randint(4, (500,), generator=draws)
    found = judged(Classification(), outputs, targets, *"abcde")
    predicted = outputs.argmax(1)
    assert found.metric == float((predicted == targets).double().mean())
    assert found.values["F1"] == pytest.approx(float(MulticlassF1Score(5)(predicted, targets)))
    present = MulticlassAccuracy(5, average=None)(predicted, targets)[:4].mean()
    assert found.values["balanced accuracy"] == pytest.approx(float(present))
    error = MulticlassCalibrationError(5, n_bins=15)(outputs.softmax(1), targets)
    assert found.values["calibration error"] == pytest.approx(float(error), abs=1e-6)
    assert found.loss == pytest.approx(float(F.cross_entropy(outputs, targets)))


def test_targets_that_do_not_count_are_as_if_they_were_not_there():
    draws, task = torch.Generator().manual_seed(0), Classification()
    outputs, taught = torch.randn(2, 9, 3, generator=draws)
    targets = torch.tensor([0, 1, 2, 0, 1, 2, -100, -100, -100])
    whole, part = judged(task, outputs, targets, *"abc"), judged(task, outputs[:6], targets[:6], *"abc")
    assert (whole.loss, whole.values, whole.total) == (part.loss, part.values, 6)
    learned = task.distillation(outputs, taught, targets, 2.0)
    torch.testing.assert_close(learned, task.distillation(outputs[:6], taught[:6], targets[:6], 2.0))


def test_outputs_that_are_not_finite_name_no_class():
    outputs = torch.tensor([[math.nan, 1.0], [0.0, 1.0]])
    found = judged(Classification(), outputs, torch.tensor([1, 1]), "a", "b")
    assert (found.correct, found.total, found.counts.by_class(2)) == (1, 2, ([0, 2], [0, 1], [0, 1]))


def test_pixels_that_do_not_count_do_not():
    outputs = F.one_hot(torch.tensor([[[0, 0], [1, 1]]]), 2).movedim(-1, 1).float() * 50
    targets = torch.tensor([[[0, 255], [0, 1]]])
    task = of("segmentation")
    found = judged(task, outputs, targets, "ground", "thing")
    assert task.count(targets) == 3
    assert found.metric == pytest.approx(0.5)  # one of two pixels of each class
    assert found.values["IoU of thing"] == pytest.approx(0.5)
    assert found.loss == pytest.approx(50 / 3)


def test_perplexity_is_the_exponential_of_the_loss_and_padding_does_not_count():
    outputs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 4, 0], [2, 0, 0]])
    task = of("language-model", padding=0)
    found = judged(task, outputs, targets)
    assert found.metric == pytest.approx(math.exp(found.loss), rel=1e-5)
    rows, wanted = outputs.flatten(0, 1)[[0, 1, 3]], torch.tensor([1, 4, 2])
    assert found.loss == pytest.approx(float(F.cross_entropy(rows, wanted)), rel=1e-5)


def test_tokens_of_a_dictionary_are_predicted_from_those_before():
    ids, mask = torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    inputs, targets = of("language-model").batch({"input_ids": ids, "attention_mask": mask})
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert targets.tolist() == [[6, 7, -100], [9, -100, -100]]
    assert of("language-model").count(targets) == 3
    _, given = of("language-model").batch({"input_ids": ids, "labels": ids.masked_fill(ids == 6, -100)})
    assert given.tolist() == [[-100, 7, -100], [9, 0, -100]]


def test_r2_is_of_each_value_and_one_value_may_stand_alone():
    targets = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = judged(of("regression"), targets[:, None] + 0.5, targets)
    assert found.metric == pytest.approx(1 - 4 * 0.25 / 5)
    assert found.values["RMSE"] == pytest.approx(0.5)
    assert (
        judged(of("regression"), torch.stack([targets, -targets], 1), torch.stack([targets, -targets], 1)).metric == 1
    )


def test_a_metric_that_cannot_be_computed_is_named():
    with pytest.raises(InputError, match=r"The metric 'R²' cannot be computed.*at least two samples"):
        judged(of("regression"), torch.ones(1, 1), torch.ones(1))


def test_labels_are_counted_one_by_one():
    outputs, targets = torch.tensor([[9.0, -9.0], [9.0, 9.0], [-9.0, -9.0]]), torch.tensor([[1, 0], [1, 0], [0, 0]])
    found = judged(of("multilabel"), outputs, targets)
    assert found.metric == pytest.approx(0.5)  # 1 of the first label, 0 of the second
    assert found.values["all labels right"] == pytest.approx(2 / 3)


def test_what_a_network_returns_is_looked_for_by_key_and_by_place():
    tensor, other = torch.ones(1), torch.zeros(2)
    assert Classification().chosen((tensor, other)) is tensor
    assert Classification().chosen({"a": tensor, "b": other}) is tensor
    assert Classification(output="b").chosen({"a": tensor, "b": other}) is other
    assert Classification(output="b.1").chosen({"a": tensor, "b": [tensor, other]}) is other
    with pytest.raises(InputError, match=r"no 'c'. The network returns a dictionary of a, b"):
        Classification(output="c").chosen({"a": tensor, "b": other})


def test_batches_are_taken_apart_by_what_they_are():
    x, z, y = torch.ones(2, 1), torch.zeros(2, 1), torch.tensor([0, 1])
    assert Classification().batch((x, y)) == (x, y)
    assert Classification().batch([x, z, y])[0] == (x, z)
    assert Classification().batch({"x": x, "labels": y}) == ({"x": x}, y)
    assert Classification(targets="y").batch({"x": x, "y": y}) == ({"x": x}, y)
    with pytest.raises(InputError, match=r"batches of the data have no 'labels'. They are dictionaries of x, y"):
        Classification().batch({"x": x, "y": y})
    with pytest.raises(InputError, match="One of them is of type Tensor"):
        Classification().batch(x)


def test_images_of_any_size_are_batched_with_their_targets_whatever_a_sample_is():
    task, images, targets = of("detection"), [torch.zeros(3, 8, 8), torch.zeros(3, 6, 6)], [{"boxes": 1}, {"boxes": 2}]
    pairs = list(zip(images, targets, strict=True))
    named = [{"image": image, "labels": target} for image, target in pairs]
    for samples in (pairs, named):
        (found,), wanted = task.batch(task.collate()(samples))
        assert found == images
        assert wanted == targets


def test_examples_and_shapes_are_nested_as_inputs_are():
    split = Split({"a": torch.zeros(5, 3), "b": torch.zeros(5, 2, 2)}, torch.arange(5) % 2)
    example = example_inputs(Dataset("own", split, split, ("x", "y")), Classification())
    assert {key: tuple(value.shape) for key, value in example.items()} == {"a": (2, 3), "b": (2, 2, 2)}
    assert shape_of(example) == {"a": (3,), "b": (2, 2)}


def test_tasks_are_listed_without_the_libraries_that_they_count_with():
    assert TASKS.names() == (
        "classification",
        "multilabel",
        "regression",
        "segmentation",
        "detection",
        "language-model",
    )
