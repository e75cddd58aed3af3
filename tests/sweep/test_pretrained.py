"""Studies that begin with trained weights."""

import pytest
import torch

from prunus.errors import InputError, StoreError
from prunus.models import build_model
from prunus.spec import Part, load_study
from prunus.store import read_study
from prunus.sweep.loaded import Loaded, build
from prunus.sweep.run import Options, run_study
from prunus.sweep.trial import begin
from prunus.train import checkpoint_bytes, load_checkpoint, train

STUDY = """
name = "tuned"
model = { name = "mlp", hidden = [12], weights = "trained.pt" }
data = "digits"
recipes = ["finetune-unstructured"]
rates = [0.5]
seeds = [0, 1]
[training]
epochs = 2
batch_size = 256
learning_rate = 1e-4
[measurement]
select = "none"
"""


@pytest.fixture
def study(tmp_path):
    torch.manual_seed(7)
    model = build_model(Part(name="mlp", settings={"hidden": [12]}), (1, 8, 8), 10)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in model.state_dict().items()}},
               tmp_path / "trained.pt")  # fmt: skip
    (tmp_path / "tuned.toml").write_text(STUDY)

    def load(*overrides):
        return load_study(tmp_path / "tuned.toml", overrides)

    load.weights = model.state_dict()
    return load


def test_every_trial_begins_with_the_weights_of_the_file(study):
    loaded = Loaded.of(study())
    for trial in loaded.trials.values():
        begun = build(trial, loaded.dataset)
        assert all(torch.equal(tensor, study.weights[name]) for name, tensor in begun.state_dict().items())


def test_the_network_as_it_was_given_is_epoch_0(study, tmp_path):
    run_study(study("controls=false"), tmp_path / "out", Options(workers=1))
    rows = read_study(tmp_path / "out")
    for trial in rows.trials:
        assert [row.epoch for row in rows.epochs if row.trial == trial.trial] == [0, 1, 2]
    unpruned = [row for row in rows.epochs if row.epoch == 0 and row.sparsity == 0]
    loaded = Loaded.of(study())
    model = build(next(iter(loaded.trials.values())), loaded.dataset).eval()
    with torch.no_grad():
        outputs = model(loaded.dataset.prepare(loaded.dataset.test.inputs))
    correct = int((outputs.argmax(1) == loaded.dataset.test.targets).sum())
    assert unpruned
    assert {row.test_correct for row in unpruned} == {correct}


def test_a_training_that_was_interrupted_ends_with_the_same_bits(study):
    loaded = Loaded.of(study("training.distillation={weight=0.3}"))
    trial = list(loaded.trials.values())[1]
    whole = train(begin(trial, loaded.dataset), loaded.dataset, trial.training, seed=trial.seed)
    short = trial.training.model_copy(update={"epochs": 1})
    half = train(begin(trial, loaded.dataset), loaded.dataset, short, seed=trial.seed)
    resumed = begin(trial, loaded.dataset)
    load_checkpoint(checkpoint_bytes(half, trial.digest), resumed, trial.digest)
    assert resumed.done == 1
    train(resumed, loaded.dataset, trial.training, seed=trial.seed)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert [one.test_correct for one in whole.epochs] == [one.test_correct for one in resumed.epochs]


def test_distillation_changes_what_is_learnt(study):
    ends = []
    for weight in (None, 0.2, 1.0):
        loaded = Loaded.of(study(*([f"training.distillation={{weight={weight}}}"] if weight else [])))
        trial = next(iter(loaded.trials.values()))
        state = train(begin(trial, loaded.dataset), loaded.dataset, trial.training, seed=trial.seed)
        ends.append(state.model.state_dict())
    first, second, third = (end["1.weight"] for end in ends)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    # From itself alone, a network has nothing to learn: what moves it is rounding, which Adam makes large.
    assert (third - study.weights["1.weight"]).abs().mean() < (first - study.weights["1.weight"]).abs().mean()


def test_a_file_that_has_changed_is_another_study(study, tmp_path):
    short = ("training.epochs=1", "seeds=[0]", "controls=false")
    run_study(study(*short), tmp_path / "out", Options(workers=1))
    torch.save({name: tensor + 1 for name, tensor in study.weights.items()}, tmp_path / "trained.pt")
    with pytest.raises(StoreError, match=r"the file .*trained.pt \("):
        run_study(study(*short), tmp_path / "out", Options(workers=1))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.weights=none.pt",), r"There is no file .*none.pt"),
        (("model.weights=3",), "model.weights is 3"),
        (("model.hidden=[13]",), r"'1.weight' is float32 12x64 in the file and float32 13x64 in the network"),
        (("model=mlp", "training.distillation={}"), "has no teacher"),
        (("training.distillation={temperature=0}",), "temperature"),
    ],
)
def test_what_cannot_begin(study, overrides, message):
    with pytest.raises(InputError, match=message):
        Loaded.of(study(*overrides))


def test_dense_controls_are_left_out_with_a_reason(study):
    controls = Loaded.of(study("controls=true")).study.control_recipes
    dense = [control for control in controls if control.kind != "random"]
    assert dense
    for control in dense:
        assert control.rates == ()
        assert "begins with trained weights" in control.left_out
