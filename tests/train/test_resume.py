"""A training that was interrupted between two epochs ends with the same bits as one that was not."""

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from prunus.errors import StoreError
from prunus.spec import Part, Training, builtin_recipes
from prunus.train import Pruner, load_checkpoint, save_checkpoint, start, train
from prunus.train.evaluate import calibration_samples

TRAINING = Training(
    epochs=6, batch_size=8, learning_rate=0.01, augment=(Part(name="crop", settings={"padding": 1}), Part(name="flip"))
)
EPOCHS = {"element-rewind": 12}  # as many as its schedule takes
RATES = {"element-dense": 88 / 178}  # two of four channels are 88 of 178 parameters

GATHERING = {
    criterion: builtin_recipes()["structured"].model_copy(
        update={"criterion": Part(name=criterion), "schedule": Part(name="cubic")}
    )
    for criterion in ("movement", "apoz")
}


def begin(network, dataset, recipe, training=TRAINING, rate=0.5):
    model = network()
    pruner = Pruner(
        model,
        recipe,
        dataset.test.inputs[:2],
        rate=rate,
        epochs=training.epochs,
        steps_per_epoch=None,
        seed=3,
        samples=calibration_samples(dataset, 3),
    )
    return start(model.to(memory_format=torch.channels_last), pruner, training)


def outcome(state):
    results = [(e.epoch, e.train_loss, e.test_loss, e.test_correct, e.sparsity) for e in state.epochs]
    return results, {name: value.clone() for name, value in state.model.state_dict().items()}


@pytest.mark.parametrize(
    ("recipe", "optimizer"),
    [
        *((recipe, "adam") for recipe in (None, *builtin_recipes())),
        *((recipe, other) for recipe in (None, "unstructured", "structured") for other in ("adamw", "sgd")),
        *((recipe, "adam") for recipe in GATHERING),
    ],
)
def test_same_bits_wherever_it_was_interrupted(network, dataset, tmp_path, recipe, optimizer):
    epochs, rate = EPOCHS.get(recipe, TRAINING.epochs), RATES.get(recipe, 0.5)
    settings = {"optimizer": Part(name=optimizer), "learning_rate_schedule": "cosine", "epochs": epochs}
    training = TRAINING.model_copy(update=settings)
    recipe = {None: None, **builtin_recipes(), **GATHERING}[recipe]
    whole = begin(network, dataset, recipe, training, rate)
    train(
        whole, dataset, training, seed=3, after_epoch=lambda s: save_checkpoint(tmp_path / str(len(s.epochs)), s, "t")
    )
    for epoch in range(1, epochs):
        torch.manual_seed(epoch)  # whatever came before must not matter
        again = begin(network, dataset, recipe, training, rate)
        load_checkpoint(tmp_path / str(epoch), again, "t")
        train(again, dataset, training, seed=3)
        assert outcome(again)[0] == outcome(whole)[0]
        for name, value in outcome(again)[1].items():
            assert torch.equal(value, outcome(whole)[1][name]), name


class Killed(Exception):
    """The process is gone."""


def dying_at(step):
    """A hook before an optimiser's steps, which does not come back from this one, counted from 1."""
    steps = iter(range(step - 1))

    def count(*_):
        if next(steps, None) is None:
            raise Killed

    return count


@pytest.mark.parametrize("recipe", [None, *builtin_recipes()])
def test_same_bits_wherever_in_an_epoch_it_was_interrupted(network, dataset, tmp_path, recipe):
    epochs, rate = max(3, EPOCHS.get(recipe, 0)), RATES.get(recipe, 0.5)
    training = TRAINING.model_copy(update={"learning_rate_schedule": "cosine", "epochs": epochs})
    recipe = builtin_recipes()[recipe] if recipe else None

    def save(state):
        save_checkpoint(tmp_path / "c", state, "t")

    whole = begin(network, dataset, recipe, training, rate)
    train(whole, dataset, training, seed=3)
    steps = len(dataset.train) // training.batch_size  # a last batch of one input is left out
    for step in range(1, steps + 1):
        first = begin(network, dataset, recipe, training, rate)
        hook = register_optimizer_step_pre_hook(dying_at(steps + step))  # also where a cut network has a new optimiser
        with pytest.raises(Killed):
            train(first, dataset, training, seed=3, after_epoch=save)
        hook.remove()
        assert len(first.epochs) == 1
        again = begin(network, dataset, recipe, training, rate)
        load_checkpoint(tmp_path / "c", again, "t")
        train(again, dataset, training, seed=3)
        assert outcome(again)[0] == outcome(whole)[0]
        for name, value in outcome(again)[1].items():
            assert torch.equal(value, outcome(whole)[1][name]), name


def test_a_checkpoint_of_another_trial_is_refused(network, dataset, tmp_path):
    state = begin(network, dataset, None)
    save_checkpoint(tmp_path / "c", state, "one")
    with pytest.raises(StoreError, match="another trial"):
        load_checkpoint(tmp_path / "c", state, "other")


def test_a_damaged_checkpoint_is_one_error(network, dataset, tmp_path):
    state = begin(network, dataset, builtin_recipes()["unstructured"])
    train(state, dataset, TRAINING, seed=3)
    path = tmp_path / "c"
    save_checkpoint(path, state, "t")
    whole = path.read_bytes()
    for content in (b"", b"pickle", whole[: len(whole) // 2], whole.replace(b"model/0.weight", b"model/9.weight")):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="cannot be used"):
            load_checkpoint(path, begin(network, dataset, builtin_recipes()["unstructured"]), "t")
