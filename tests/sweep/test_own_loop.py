"""Training loops of the user's own as trials."""

import math

import pytest
import torch

from prunus.errors import InputError, NotFiniteError
from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.checkpoints import Interrupted
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.loaded import Loaded
from prunus.sweep.own_loop import RunningTrial
from prunus.sweep.run import Options, run_study
from prunus.sweep.trial import begin, run_trial
from prunus.train import load_checkpoint, save_checkpoint

STUDY = """
name = "own"
model = { name = "mlp", hidden = [12] }
data = "digits"
train = "mine.py:train"
recipes = ["unstructured", "structured"]
rates = [0.5]
seeds = [0]
controls = false
[training]
epochs = 4
batch_size = 256
[measurement]
select = "none"
"""
LOOP = """
import torch
import torch.nn.functional as F

def accuracy(trial):
    trial.model.eval()
    with torch.no_grad():
        return (trial.model(inputs(trial, trial.dataset.test)).argmax(1) == trial.dataset.test.targets).float().mean()

def inputs(trial, split):
    return trial.dataset.prepare(split.inputs)

def train(trial):
    optimizer = torch.optim.Adam(trial.model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    trial.resume(optimizer=optimizer, scheduler=scheduler)
    batches = torch.utils.data.TensorDataset(inputs(trial, trial.dataset.train), trial.dataset.train.targets)
    loader = torch.utils.data.DataLoader(batches, batch_size=256, shuffle=True)
    trial.pruner.steps_per_epoch = len(loader)
    for epoch in trial.epochs:
        trial.model.train()
        for images, targets in loader:
            optimizer.zero_grad()
            F.cross_entropy(trial.model(images), targets).backward()
            optimizer.step()
            trial.pruner.step(optimizer)
        scheduler.step()
        trial.report(metric=accuracy(trial))
        trial.checkpoint(optimizer=optimizer, scheduler=scheduler)
"""
# As short as a loop can be: nothing is taken up by name, and pruning is left to the trial.
SHORT = """
import torch
import torch.nn.functional as F

def train(trial):
    optimizer = torch.optim.Adam(trial.model.parameters(), lr=3e-3)
    x, y = trial.dataset.prepare(trial.dataset.train.inputs), trial.dataset.train.targets
    for epoch in trial.epochs:
        for chosen in torch.randperm(len(x)).split(256):
            optimizer.zero_grad()
            F.cross_entropy(trial.model(x[chosen]), y[chosen]).backward()
            optimizer.step()
            trial.pruner.step(optimizer)
        trial.report(metric=(trial.model(x).argmax(1) == y).float().mean(), loss=0.5)
        trial.checkpoint(optimizer=optimizer)
"""


@pytest.fixture
def study(tmp_path):
    def load(loop=LOOP, *overrides):
        (tmp_path / "mine.py").write_text(loop)
        (tmp_path / "own.toml").write_text(STUDY)
        return load_study(tmp_path / "own.toml", overrides)

    return load


def run(trial, loaded, folder, *, stop_after=math.inf):
    """One trial to its end, or until it is stopped once so many epochs were told. Returns those."""
    told = []
    lease = Lease.grant(trial.digest, folder.lease(trial.digest))
    run_trial(trial, loaded, folder, lease, tell=told.append, stop_asked=lambda: len(epochs(told)) >= stop_after)
    return epochs(told)


def epochs(told):
    return [event for event in told if hasattr(event, "saved")]


def test_everything_around_a_loop_is_as_for_built_in_trials(study, tmp_path):
    outcome = run_study(study(), tmp_path / "out", Options(workers=1))
    rows = read_study(tmp_path / "out")
    assert (outcome.finished, outcome.failed, rows.problems) == (3, 0, ())
    for trial in rows.trials:
        mine = [row for row in rows.epochs if row.trial == trial.trial]
        assert [row.epoch for row in mine] == [1, 2, 3, 4]
        assert all(0 < row.metric <= 1 and row.test_correct is None for row in mine)
        if trial.recipe == "unstructured":
            assert mine[-1].sparsity == pytest.approx(0.5, abs=0.1)
    structured = next(row for row in rows.costs if row.shrunk)
    assert structured.shrink_deviation < 1e-5
    assert structured.dense_macs < max(row.dense_macs for row in rows.costs)
    assert all(StudyFolder(tmp_path / "out").network(trial.trial).exists() for trial in rows.trials)


@pytest.mark.parametrize("told", [0, 1], ids=["stopped before it is told", "stopped after"])
@pytest.mark.parametrize(("loop", "recipe"), [(LOOP, "unstructured"), (SHORT, "structured")])
def test_an_interrupted_loop_ends_with_the_same_bits(study, tmp_path, loop, recipe, told):
    loaded = Loaded.of(study(loop, f'recipes=["{recipe}"]', "execution.checkpoint_seconds=1000"))
    trial = next(trial for trial in loaded.trials.values() if trial.recipe is not None)
    straight, stopped = StudyFolder(tmp_path / "straight"), StudyFolder(tmp_path / "stopped")
    for folder in (straight, stopped):
        folder.trial(trial.digest).mkdir(parents=True)
    run(trial, loaded, straight)
    with pytest.raises(Interrupted):
        run(trial, loaded, stopped, stop_after=told)
    assert stopped.checkpoint(trial.digest).exists()
    rest = run(trial, loaded, stopped)
    assert [event.row.epoch for event in rest] == [2, 3, 4]
    one, other = (folder.network(trial.digest).read_bytes() for folder in (straight, stopped))
    assert one == other


def test_what_is_kept_of_a_scheduler_is_taken_up(study, tmp_path):
    loaded = Loaded.of(study())
    trial = next(iter(loaded.trials.values()))

    def fresh():
        state = begin(trial, loaded.dataset)
        optimizer = torch.optim.SGD(state.model.parameters(), lr=1.0, momentum=0.9)
        return state, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    state, optimizer, scheduler = fresh()
    running = RunningTrial(trial, state, loaded.dataset)
    running.resume(optimizer=optimizer, scheduler=scheduler)
    next(running.epochs)
    optimizer.step()
    scheduler.step()
    running.report(metric=0.5)
    running.checkpoint(optimizer=optimizer, scheduler=scheduler)
    save_checkpoint(tmp_path / "checkpoint", state, trial.digest)

    state, optimizer, scheduler = fresh()
    load_checkpoint(tmp_path / "checkpoint", state, trial.digest)
    running = RunningTrial(trial, state, loaded.dataset)
    running.resume(optimizer=optimizer, scheduler=scheduler)
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0.5)
    assert next(running.epochs) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", r"ended after epoch 0. The study trains for 4"),
        ("next(trial.epochs); trial.report(metric=0.5)", r"ended after epoch 1"),
        ("[None for _ in trial.epochs]", r"Nothing was reported of epoch 1"),
        ("next(trial.epochs); trial.report(metric=.5); trial.report(metric=.5)", "reports an epoch once"),
        ("next(trial.epochs); trial.report(metric='good')", "A trial reports numbers"),
        ("next(trial.epochs); trial.report(metric=97.3)", "The accuracy was reported as 97.3. Its unit is %"),
        ("next(trial.epochs); trial.checkpoint(scheduler=object())", "nothing would take it up again"),
        ("next(trial.epochs); trial.report(metric=float('nan'))", "The metric is NaN"),
    ],
)
def test_a_loop_that_is_wrong_is_told_why(study, tmp_path, body, said):
    loaded = Loaded.of(study(f"def train(trial):\n    {body}"))
    trial = next(iter(loaded.trials.values()))
    with pytest.raises((InputError, NotFiniteError), match=said):
        run(trial, loaded, StudyFolder(tmp_path / "out"))


def test_a_recipe_that_prunes_last_wants_to_be_told_of_epochs(study, tmp_path):
    """What is left after the last epoch's pruning would never be tested, which is told in the first epoch."""
    loaded = Loaded.of(study(SHORT, 'recipes=["reference-unstructured"]'))
    trial = next(trial for trial in loaded.trials.values() if trial.recipe is not None)
    with pytest.raises(InputError, match="Epoch 1 was reported before the pruner was told"):
        run(trial, loaded, StudyFolder(tmp_path / "out"))
    told = SHORT.replace(
        "        trial.report(", "        trial.pruner.after_epoch(epoch, optimizer)\n        trial.report("
    )
    loaded = Loaded.of(study(told, 'recipes=["reference-unstructured"]'))
    trial = next(trial for trial in loaded.trials.values() if trial.recipe is not None)
    assert len(run(trial, loaded, StudyFolder(tmp_path / "out"))) == 4


def test_a_function_that_takes_no_trial_is_refused_before_anything_is_trained(study):
    with pytest.raises(InputError, match="cannot train"):
        Loaded.of(study("def train():\n    pass"))


def test_the_loop_is_part_of_a_trial_and_studies_without_one_keep_their_digests(study):
    own = study()
    built_in = own.model_copy(update={"train": None})
    assert {trial.digest for trial in own.trials()}.isdisjoint(trial.digest for trial in built_in.trials())
    assert "train" not in built_in.trials()[0].model_dump()
    assert own.functions == {"train": own.train}
