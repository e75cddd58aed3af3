"""What every task promises, checked on every one that is registered by a tiny study of its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from prunus.errors import InputError
from prunus.export import write_onnx, write_safetensors
from prunus.measure import Variant, runtime_of
from prunus.models import check_fits
from prunus.spec import Distillation, Metric, Part, Study, builtin_recipes
from prunus.store import CostRow, EpochRow, MetricRow, read_result
from prunus.sweep.checkpoints import Interrupted
from prunus.sweep.final import builder
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.loaded import Loaded, build
from prunus.sweep.trial import begin, run_trial
from prunus.tasks import TASKS, task_of
from prunus.tasks.batch import first_batch
from prunus.train import evaluate, training_loss

FILE = Path(__file__).parent / "task_networks.py"
CASES = {
    "classification": ("in_memory", "layers"),
    "classification of pairs": ("pairs", "TwoInputs"),
    "multilabel": ("labels", "layers"),
    "regression": ("numbers", "layers"),
    "segmentation": ("scenes", "pixels"),
    "detection": ("boxes", "detector"),
    "language-model": ("sentences", "NextToken"),
    "own": ("numbers", "layers"),
}
"""Of each task, the functions that give tiny data and a tiny network."""
TASK = {
    "classification of pairs": Part(name="classification", settings={"output": "logits"}),
    "own": Part(name=f"{FILE}:Absolute", settings={"power": 2.0}),
}


@pytest.fixture(params=[*TASKS.names(), *TASK], scope="module")
def loaded(request) -> Loaded:
    name = request.param
    if name not in CASES:
        pytest.fail(f"the task {name!r} is not in CASES: add tiny data and a tiny network to task_networks.py")
    data, model = CASES[name]
    study = Study(
        name="tiny",
        model=Part(name=f"{FILE}:{model}"),
        data=Part(name=f"{FILE}:{data}"),
        task=TASK.get(name, Part(name=name)),
        training={"epochs": 3, "batch_size": 8, "channels_last": False},
        recipes=(builtin_recipes()["structured"],),
        rates=(0.5,),
        seeds=(0,),
        controls=False,
    )
    return Loaded.of(study)


def carry_out(loaded, trial, folder, stop_after=99):
    epochs = []
    lease = Lease.grant(trial.digest, folder.lease(trial.digest))

    def tell(event):
        epochs.extend([event.row] if hasattr(event, "row") else [])

    run_trial(trial, loaded, folder, lease, tell=tell, stop_asked=lambda: len(epochs) >= stop_after)
    return read_result(folder.result(trial.digest), lease.token)


def told(rows):
    """What the epochs came to, and all but how long it took."""
    return [(row.epoch, row.train_loss, row.test_loss, row.metric) for row in rows if isinstance(row, EpochRow)]


def test_a_study_of_it_runs_to_its_end_and_is_resumed_with_the_same_bits(loaded, tmp_path):
    trial = next(trial for trial in loaded.trials.values() if trial.recipe is not None)
    rows = carry_out(loaded, trial, StudyFolder(tmp_path / "whole"))
    epochs = [row for row in rows if isinstance(row, EpochRow)]
    assert len(epochs) == 3
    assert all(math.isfinite(value) for row in epochs for value in (row.train_loss, row.test_loss, row.metric))
    assert (epochs[0].test_total is None) == (loaded.study.task.name != "classification")
    assert all(math.isfinite(row.value) for row in rows if isinstance(row, MetricRow))
    assert next(row for row in rows if isinstance(row, CostRow)).dense_macs > 0
    folder = StudyFolder(tmp_path / "interrupted")
    with pytest.raises(Interrupted):
        carry_out(loaded, trial, folder, stop_after=1)
    torch.manual_seed(99)
    assert told(carry_out(loaded, trial, folder)) == told(rows)


def test_its_metric_can_be_told_without_it(loaded):
    metric = loaded.study.metric
    assert metric == loaded.task.metric == Metric.model_validate(metric.model_dump(mode="json"))
    assert metric.name in f"{metric.name} {metric.text(0.5)}"


def test_its_losses_and_its_measures_go_together(loaded):
    task, dataset = loaded.task, loaded.dataset
    trial = next(iter(loaded.trials.values()))
    model = build(trial, dataset).train()
    inputs, targets = first_batch(dataset, dataset.train, task)
    loss = training_loss(model, (inputs, targets), task, trial.training)
    loss.backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        outputs, total = task.tested(model, inputs, targets)
        mean = task.batch_loss(model, inputs, targets)
    torch.testing.assert_close(total, mean * task.count(targets), rtol=1e-4, atol=1e-5)
    task.check(outputs, targets, dataset)
    found = evaluate(model, dataset, dataset.test, torch.device("cpu"), task, every_measure=True)
    assert next(iter(found.values)) == loaded.study.metric.name
    again = evaluate(model, dataset, dataset.test, torch.device("cpu"), task)
    assert again.metric == found.metric == found.values[loaded.study.metric.name]


def test_what_equals_its_teacher_has_nothing_to_learn_from_it(loaded):
    task, dataset = loaded.task, loaded.dataset
    if not task.distils:
        pytest.skip("it is not distilled")
    trial = next(iter(loaded.trials.values()))
    model, batch = build(trial, dataset).eval(), first_batch(dataset, dataset.train, task)
    alone = trial.training.model_copy(update={"distillation": Distillation(weight=1.0, temperature=3.0)})
    assert training_loss(model, batch, task, alone, model).item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        other = build(trial.model_copy(update={"seed": 1}), dataset).eval()
        assert training_loss(model, batch, task, alone, other).item() > 1e-6


def test_its_network_is_written_and_run_again(loaded, tmp_path):
    if loaded.study.task.name == "detection":
        pytest.skip("what it returns depends on its values, and no ONNX file has that")
    model = build(next(iter(loaded.trials.values())), loaded.dataset).eval()
    assert write_onnx(model, loaded.example, tmp_path / "model.onnx").deviation < 1e-5


def test_its_network_is_run_as_it_is_measured(loaded, tmp_path):
    trial = next(iter(loaded.trials.values()))
    file = write_safetensors(build(trial, loaded.dataset), tmp_path / "model.safetensors")
    example = loaded.task.as_tensors(loaded.example)
    variant = Variant.taking(example, {file.format: file.path}, builder(trial, loaded))
    again = Variant.model_validate_json(variant.model_dump_json())  # as another process is given it
    run = runtime_of("torch").load(again, again.random_inputs(3), 1)
    assert torch.isfinite(run()).all()


def test_its_trials_are_estimated_and_its_network_fits(loaded):
    trial = next(iter(loaded.trials.values()))
    check_fits(build(trial, loaded.dataset), loaded.dataset, "tiny", loaded.task)
    assert begin(trial, loaded.dataset.head(8), loaded.scopes[None]).task == loaded.task


def test_its_settings_are_data(loaded):
    task = loaded.task
    assert type(task).model_validate(task.model_dump(mode="json")) == task
    assert (type(task).__doc__ or "").strip()
    with pytest.raises(InputError, match="has no setting 'nonsense'"):
        task_of(loaded.study.task.model_copy(update={"settings": {"nonsense": 1}}))
