"""Training on the shrunk network: the same training as on the masked one, on fewer weights."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from prunus.spec import Part, Training, builtin_recipes
from prunus.train import Pruner, start, train, widen

TRAINING = Training(epochs=6, batch_size=8, learning_rate=0.01)
STRUCTURED = builtin_recipes()["structured"]


def network(norm=nn.BatchNorm2d):
    torch.manual_seed(0)
    # without a bias, whose gradient before a normalisation is mere rounding, which Adam blows up
    layers = nn.Conv2d(1, 8, 3, bias=False), norm(8), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(48, 2))


def trained(dataset, training=TRAINING, recipe=STRUCTURED, rate=0.5, model=None, shrinking=True):
    model = model or network()
    pruner = Pruner(
        model, recipe, dataset.test.inputs[:2], rate=rate, epochs=training.epochs, steps_per_epoch=None, seed=3
    )
    if not shrinking:
        pruner.scope = replace(pruner.scope, cutter=None)
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    return train(start(model, pruner, training), dataset, training, seed=3)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    "optimizer", ["adam", {"name": "adamw", "weight_decay": 0.1}, {"name": "sgd", "nesterov": True}]
)
def test_the_shrunk_network_is_trained_as_the_masked_one(dataset, optimizer, channels_last):
    training = TRAINING.model_copy(update={"optimizer": Part.model_validate(optimizer), "channels_last": channels_last})
    small, masked = trained(dataset, training), trained(dataset, training, shrinking=False)
    assert masked.plan is None
    assert [layer.weight.shape[0] for layer in (small.model[0], small.model[3])] == [4, 6]
    assert [one.sparsity for one in small.epochs] == [one.sparsity for one in masked.epochs]
    assert small.pruner.gone.keys() == masked.pruner.gone.keys()
    for name, units in masked.pruner.gone.items():
        assert torch.equal(units, small.pruner.gone[name])
    for name, parameter in widen(small).named_parameters():
        assert torch.allclose(parameter, masked.model.get_parameter(name), atol=1e-4), name
    for one, other in zip(small.epochs, masked.epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-4)


def test_the_optimizer_remembers_what_is_left(dataset):
    state = trained(dataset)
    for name, parameter in state.model.named_parameters():
        slots = state.optimizer.state[parameter]
        assert slots["exp_avg"].shape == parameter.shape, name
        assert slots["step"] == 6 * 5  # of 41 inputs in batches of 8, the last of one is left out


def test_channels_are_left_in_multiples(dataset):
    pattern = Part(name="channel", settings={"round_to": 4, "floor": 8})
    state = trained(dataset, recipe=STRUCTURED.model_copy(update={"pattern": pattern}), rate=0.6)
    assert [state.model[0].weight.shape[0], state.model[3].weight.shape[0]] == [8, 8]


def test_nothing_gone_leaves_the_network_as_it_is(dataset):
    state = trained(dataset, rate=0.0)
    assert state.model is state.pruner.model


class Written(nn.Module):
    """Its forward has a size written into it, so that it can only be cut as a graph."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop, self.head = (
            nn.Conv2d(1, 8, 3),
            nn.BatchNorm2d(8),
            nn.Dropout(0.2),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        return self.head(self.drop(self.norm(self.conv(x)).reshape(-1, 8, 16).mean(2)))


def test_a_rewritten_graph_is_trained_on_every_batch_size(dataset):
    torch.manual_seed(0)
    model = Written()
    state = trained(dataset, TRAINING.model_copy(update={"batch_size": 9}), model=model)
    assert type(state.model) is not Written
    assert state.model.get_parameter("conv.weight").shape[0] == 4
    assert state.epochs[-1].train_loss < state.epochs[0].train_loss


def test_a_graph_without_the_noise_of_training_is_not_trained_on(dataset):
    class Noisy(Written):
        def forward(self, x):
            return super().forward(x + 0.1 * torch.randn_like(x) if self.training else x)

    torch.manual_seed(0)
    state = trained(dataset, model=Noisy())
    assert type(state.model) is Noisy


def test_masks_that_are_let_go_leave_the_network_whole(dataset):
    state = trained(dataset, recipe=STRUCTURED.model_copy(update={"permanence": "regrow"}))
    assert state.model is state.pruner.model


class Counting(nn.Module):
    """It keeps what no `state_dict` has."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU())
        self.last = nn.Linear(12, 2)
        self.steps, self.seen, self.mean, self.draws = 0, [0], None, torch.Generator().manual_seed(3)
        self.register_buffer("total", torch.zeros(()), persistent=False)

    def forward(self, x):
        x = self.last(self.body(x))
        if self.training:
            self.steps += 1
            self.seen[0] += 1
            self.total += 1
            self.mean = x.detach().abs().mean()
            x = x + 0.1 * torch.rand((), generator=self.draws)
        return x


def test_what_a_network_counts_goes_on_from_cut_to_cut(dataset):
    recipe = builtin_recipes()["structured"]
    torch.manual_seed(0)
    model = Counting()
    training = Training(epochs=8, batch_size=8, learning_rate=0.01)
    pruner = Pruner(model, recipe, dataset.test.inputs[:2], rate=0.5, epochs=8, steps_per_epoch=None, seed=0)
    state = start(model, pruner, training)
    found, plans = [], set()

    def look(state):
        found.append((state.model.steps, state.model.seen[0], int(state.model.total)))
        plans.add(id(state.model))

    train(state, dataset, training, seed=0, after_epoch=look)
    steps = len(dataset.train) // training.batch_size
    assert len(plans) > 2, "the network was cut in several steps"
    assert found == [(epoch * steps,) * 3 for epoch in range(1, 9)]
    whole = widen(state)
    assert (whole.steps, whole.seen, int(whole.total)) == (8 * steps, [8 * steps], 8 * steps)
    assert torch.equal(whole.mean, state.model.mean)
    expected = torch.Generator().manual_seed(3)
    for _ in range(8 * steps):
        torch.rand((), generator=expected)
    assert torch.equal(whole.draws.get_state(), expected.get_state())
