import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from prunus.data import Dataset, Split
from prunus.data.stream import Stream
from prunus.errors import NotFiniteError
from prunus.spec import Part, Training, builtin_recipes
from prunus.tasks import task_of
from prunus.train import Pruner, derive, evaluate, start, train, training_batches
from prunus.train.augment import Crop, Flip
from prunus.train.loop import scheduled_learning_rate

TRAINING = Training(epochs=8, batch_size=8, learning_rate=0.01)


def run(model, dataset, training=TRAINING, recipe=None, rate=0.5, seed=0):
    pruner = Pruner(
        model, recipe, dataset.test.inputs[:2], rate=rate, epochs=training.epochs, steps_per_epoch=None, seed=seed
    )
    return train(start(model, pruner, training), dataset, training, seed=seed)


def test_it_learns(network, dataset):
    state = run(network(), dataset)
    assert [result.epoch for result in state.epochs] == list(range(1, 9))
    assert state.epochs[-1].test_correct == state.epochs[-1].test_total == 20


def test_tested_just_after_the_pruning(network, dataset):
    state = run(network(), dataset, recipe=builtin_recipes()["reference-unstructured"], rate=0.5)
    tested = evaluate(state.model, dataset, dataset.test, torch.device("cpu"))
    assert (tested.correct, tested.loss) == (state.epochs[-1].test_correct, state.epochs[-1].test_loss)
    weights = [state.model[0].weight, state.model[5].weight]
    assert sum(int((w == 0).sum()) for w in weights) == 18 + 64
    assert state.epochs[-1].sparsity == 82 / (36 + 128)


def test_what_a_recipe_draws_does_not_change_the_batches(network, dataset):
    seen = {}

    class Watched(nn.Module):
        def __init__(self, key):
            super().__init__()
            self.network, self.key = network(), key

        def forward(self, x):
            if self.training:
                seen.setdefault(self.key, []).append(x.clone())
            return self.network(x)

    run(Watched("plain"), dataset)
    run(Watched("pruned"), dataset, recipe=builtin_recipes()["unstructured"])
    assert len(seen["plain"]) == len(seen["pruned"]) == 8 * 5  # the sixth batch would hold one input
    assert all(torch.equal(a, b) for a, b in zip(seen["plain"], seen["pruned"], strict=True))


@pytest.mark.parametrize("source", ["memory", "data set", "loader"])
@pytest.mark.parametrize(("size", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2]), (4, [4])])
def test_only_a_last_batch_of_one_input_is_left_out(source, size, sizes):
    samples = TensorDataset(torch.zeros(5, 3), torch.zeros(5, 4, dtype=torch.long).fill_(-100))
    samples.tensors[1][:, 0] = 1  # one token counts in each: what is counted is not what is in a batch
    streams = {"data set": samples, "loader": DataLoader(samples, size, shuffle=True)}
    split = Split(*samples.tensors) if source == "memory" else Stream(streams[source], "training")
    dataset, training = Dataset("five", split, split), Training(batch_size=size)
    found = training_batches(dataset, training, 0, 1, torch.device("cpu"), task_of(Part(name="language-model")))
    assert [len(inputs) for inputs, _ in found] == sizes


def test_the_reported_loss_is_the_mean_over_inputs():
    inputs = torch.tensor([[1.0], [2.0], [3.0]])
    dataset = Dataset(
        "three", Split(inputs, torch.tensor([0, 1, 0])), Split(inputs, torch.tensor([0, 1, 0])), ("a", "b")
    )
    model = nn.Linear(1, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    state = run(model, dataset, Training(epochs=1, batch_size=2, learning_rate=1e-12))
    assert state.epochs[0].test_loss == pytest.approx(0.6931472, abs=1e-6)  # ln 2
    assert state.epochs[0].train_loss == pytest.approx(0.6931472, abs=1e-6)


def test_a_loss_that_is_not_finite_stops_with_epoch_and_learning_rate(network, dataset):
    with pytest.raises(NotFiniteError, match=r"in epoch \d.*learning rate of 1e\+30"):
        run(network(), dataset, TRAINING.model_copy(update={"learning_rate": 1e30}))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("cosine", [1, 0.8536, 0.5, 0.1464]), ("step", [1, 1, 0.1, 0.01])],
)
def test_learning_rates(schedule, expected):
    training = Training(epochs=4, learning_rate=1.0, learning_rate_schedule=schedule)
    rates = [scheduled_learning_rate(training, epoch, 4) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx(expected, abs=1e-4)


def test_bf16_trains(network, dataset):
    state = run(network(), dataset, TRAINING.model_copy(update={"precision": "bf16"}))
    assert state.model[0].weight.dtype == torch.float32
    assert state.epochs[-1].test_correct >= 18


def test_seeds_of_different_uses_differ():
    assert len({derive(0, "order", 1), derive(0, "order", 2), derive(1, "order", 1), derive(0, "augment", 1)}) == 4


def test_flip_mirrors_some_and_crop_shifts_by_at_most_its_padding():
    images = torch.arange(36.0).reshape(1, 1, 6, 6).repeat(50, 1, 1, 1)
    draws = torch.Generator().manual_seed(0)
    flipped = Flip().apply(images, draws)
    mirrored = [torch.equal(image, images[0].flip(-1)) for image in flipped]
    assert 10 < sum(mirrored) < 40
    assert all(torch.equal(image, images[0]) for image, m in zip(flipped, mirrored, strict=True) if not m)
    padded = nn.functional.pad(images[0], [1] * 4)
    windows = [padded[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
    for image in Crop(padding=1).apply(images, draws):
        assert any(torch.equal(image, window) for window in windows)
