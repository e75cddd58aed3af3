"""What the papers say of weights that grow and of those that move, with numbers worked out by hand."""

import pytest
import torch
from torch import nn

import prunus
from prunus.spec import Part, Recipe


def recipe(criterion="magnitude", schedule="one_shot", **settings):
    return Recipe(name="r", pattern="element", criterion=criterion, schedule=Part(name=schedule, settings=settings))


def layers():
    model = nn.Sequential(nn.Linear(4, 1, bias=False), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    return model


def test_movement_takes_the_weight_at_which_the_gradient_was_taken():
    model = layers()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    pruner = prunus.Pruner(model, recipe("movement"), torch.ones(1, 4), rate=0.5, epochs=2, steps_per_epoch=10)
    for gradient in ([[2.0, 0.0, -2.0, 0.0]], [[2.0, 0.0, 0.0, 4.0]]):
        model[0].weight.grad = torch.tensor(gradient)
        optimizer.step()
        pruner.step(optimizer)
    # -(1 · 2) = -2, then from 1 - 0.5 · 2 = 0: -(0 · 2) = 0; -(3 · -2) = 6; -(4 · 4) = -16
    assert pruner.gathered["movement"].state["0.weight"].tolist() == [[-2, 0, 6, -16]]


def test_apoz_counts_the_zeros_of_every_training_step_and_of_nothing_else():
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [-1.0], [0.0]]))
    own = Recipe(name="r", pattern="channel", criterion="apoz", schedule=Part(name="one_shot", settings={"at": 1.0}))
    pruner = prunus.Pruner(model, own, torch.ones(2, 1), rate=1 / 3, epochs=1, steps_per_epoch=2)
    gathering = pruner.gathered["zero_shares"]
    for inputs in ([[1.0], [2.0]], [[-3.0], [5.0]]):
        model.train()(torch.tensor(inputs))
        model.eval()(torch.full((7, 1), -1.0))
        pruner.step()
    # the first unit is off for -3 alone, the second for all others, the third for all
    assert gathering.found()["2.weight"].tolist() == [[0.25, 0.75, 1.0]] * 2
    assert pruner.gone["0"].tolist() == [False, False, True]
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("schedule", ["rigl", "set"])
def test_grown_weights_begin_with_moments_of_zero(kind, schedule):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3))
    optimizer = kind(model.parameters(), lr=0.01, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    pruner = prunus.Pruner(
        model, recipe(schedule=schedule, end=1.0), torch.ones(1, 20), rate=0.5, epochs=4, steps_per_epoch=5
    )
    before = pruner.gone["0"].clone()
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(32, 20)), torch.arange(32) % 3).backward()
        optimizer.step()
        pruner.step(optimizer)
    grown = (before & ~pruner.gone["0"]).reshape(10, 20)
    stayed = (~before & ~pruner.gone["0"]).reshape(10, 20)
    slots = [value for value in optimizer.state[model[0].weight].values() if value.shape == grown.shape]
    assert grown.any()
    assert slots
    for value in slots:
        assert not value[grown].any()
        assert value[stayed].all()
    assert not model[0].weight[grown].any()


def test_a_rewound_optimiser_forgets_all():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters())
    steps = {"steps": 1, "retrain_epochs": 1, "rewind": "weights"}
    pruner = prunus.Pruner(
        model, recipe(schedule="iterative", **steps), torch.ones(1, 4), rate=0.5, epochs=3, steps_per_epoch=1
    )
    rewound = []
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        rewound.append(pruner.step(optimizer))
        assert bool(optimizer.state) != rewound[-1]
    assert any(rewound)
