"""A pruner in a user's own loop: zeros hold under everything that a training may do to weights."""

import copy
import os
import shutil

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import prunus
from prunus.errors import InputError
from prunus.spec import Part, Recipe

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(32) % 3


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def recipe(**parts):
    parts = {"pattern": "element", **parts}
    settings = {key: Part.model_validate(value) if key != "permanence" else value for key, value in parts.items()}
    return Recipe(name="own", **settings)


def run(model, pruner, optimizer, steps=40, loss_of=None, accumulate=1):
    for step in range(steps):
        optimizer.zero_grad()
        for _ in range(accumulate):
            loss = loss_of(model) if loss_of else F.cross_entropy(model(X), Y)
            loss.backward()
        optimizer.step()
        pruner.step()
        masks = pruner.masks()
        for name, mask in masks.items():
            assert (pruner.model.get_parameter(name)[~mask] == 0).all(), step
    return model


def test_the_three_lines_of_the_documentation():
    model = network()
    names = list(model.state_dict())
    pruner = prunus.Pruner(model, recipe(schedule={"name": "one_shot", "at": 0.1}), X[:2])
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
    run(model, pruner, optimizer, steps=110)
    assert pruner.sparsity() == (24 + 32) / (48 + 64 + 24)
    assert list(model.state_dict()) == names


SETTINGS = {"rate": 0.75, "epochs": 4, "steps_per_epoch": 10}


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
        (torch.optim.AdamW, {"weight_decay": 0.5}),
        (torch.optim.RMSprop, {"momentum": 0.9}),
    ],
)
@pytest.mark.parametrize("parts", [{}, {"schedule": "rigl"}, {"pattern": {"name": "nm", "m": 2}}], ids=str)
def test_under_optimizers(optimizer, options, parts):
    if "pattern" in parts:
        parts = {**parts, "schedule": "at_init"}
    model = network()
    settings = {**SETTINGS, "rate": 0.5} if "pattern" in parts else SETTINGS
    pruner = prunus.Pruner(model, recipe(**parts), X[:2], **settings)
    run(model, pruner, optimizer(model.parameters(), 0.01, **options))
    assert int((~pruner.masks()["0.weight"]).sum()) == (24 if "pattern" in parts else 36)


def test_under_mixed_precision_and_accumulation():
    model = network()
    pruner = prunus.Pruner(model, recipe(), X[:2], **SETTINGS)

    def loss_of(net):
        with torch.autocast("cpu", torch.bfloat16):
            return F.cross_entropy(net(X), Y)

    run(model, pruner, torch.optim.Adam(model.parameters(), 0.01), loss_of=loss_of, accumulate=3)
    assert int((model[0].weight == 0).sum()) == 36


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_under_compile(backend):
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("there is no g++, which inductor compiles with")
    model = network()
    compiled = torch.compile(model, backend=backend)
    pruner = prunus.Pruner(compiled, recipe(schedule={"name": "one_shot", "at": 0.25}), X[:2], **SETTINGS)
    run(compiled, pruner, torch.optim.Adam(model.parameters(), 0.01))
    assert int((model[0].weight == 0).sum()) == 36
    torch.testing.assert_close(compiled(X), model(X))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"schedule": "set"},
        {"criterion": "movement"},
        {"schedule": {"name": "iterative", "steps": 1, "retrain_epochs": 2, "rewind": "weights"}},
    ],
    ids=str,
)
def test_a_resume_ends_with_the_same_bits(parts):
    def begin(model):
        pruner = prunus.Pruner(model, recipe(**parts), X[:2], **SETTINGS)
        return pruner, torch.optim.Adam(model.parameters(), 0.01)

    whole = network()
    pruner, optimizer = begin(whole)
    run(whole, pruner, optimizer, 25)
    saved = [{k: v.clone() for k, v in one.items()} for one in (whole.state_dict(), pruner.state_dict())]
    saved.append(copy.deepcopy(optimizer.state_dict()))
    again = network()
    resumed, fresh = begin(again)
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    fresh.load_state_dict(saved[2])
    run(again, resumed, fresh, 15)
    run(whole, pruner, optimizer, 15)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())


def test_weights_go_back_where_they_were():
    model = network()
    initial = model[0].weight.clone()
    rewind = {"name": "iterative", "steps": 1, "retrain_epochs": 2, "rewind": "weights"}
    pruner = prunus.Pruner(model, recipe(schedule=rewind), X[:2], **SETTINGS)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    run(model, pruner, optimizer, 19)
    assert not torch.equal(model[0].weight, initial)
    run(model, pruner, optimizer, 1)
    mask = pruner.masks()["0.weight"]
    assert torch.equal(model[0].weight, initial * mask)
    assert [pruner.learning_rate_place(epoch) for epoch in (1, 2, 3, 4)] == [(1, 2), (2, 2), (1, 2), (2, 2)]


def test_rigl_grows_where_the_gradient_is_largest():
    model = nn.Sequential(nn.Linear(4, 1, bias=False), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))
    rigl = {"name": "rigl", "replaced": 0.9, "end": 1}
    pruner = prunus.Pruner(model, recipe(schedule=rigl), torch.zeros(1, 4), rate=0.5, epochs=4, steps_per_epoch=1)
    assert model[0].weight.tolist() == [[4.0, 3.0, 0.0, 0.0]]
    model[0].weight.grad = torch.tensor([[0.0, 0.1, 0.5, 9.0]])
    pruner.step()
    assert pruner.masks()["0.weight"].tolist() == [[True, False, False, True]]
    assert model[0].weight.tolist() == [[4.0, 0.0, 0.0, 0.0]]


def test_movement_keeps_what_grows():
    model = nn.Sequential(nn.Linear(4, 1, bias=False), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[4.0, -3.0, 0.2, -0.1]]))
    moving = recipe(criterion="movement", schedule={"name": "one_shot", "at": 0.5})
    pruner = prunus.Pruner(model, moving, torch.zeros(1, 4), rate=0.5, epochs=2, steps_per_epoch=1)
    model[0].weight.grad = torch.tensor([[1.0, -1.0, -1.0, 1.0]])
    pruner.step()
    assert pruner.moved["0.weight"].flatten().tolist() == pytest.approx([-4.0, -3.0, 0.2, 0.1])
    assert model[0].weight.flatten().tolist() == pytest.approx([0.0, 0.0, 0.2, -0.1])


def _replica(rank, port, results):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    try:
        model = DistributedDataParallel(network())
        own = slice(rank * 16, rank * 16 + 16)
        pruner = prunus.Pruner(model, recipe(criterion="gradient"), X[:2], samples=[(X[own], Y[own])], **SETTINGS)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        run(model, pruner, optimizer, loss_of=lambda net: F.cross_entropy(net(X[own]), Y[own]))
        results[rank] = {name: value.numpy().tolist() for name, value in model.module.state_dict().items()}
    finally:
        dist.destroy_process_group()


@pytest.mark.timeout(240)
def test_replicas_hold_the_same_masks_though_they_see_other_data():
    context = mp.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        port = 29400 + os.getpid() % 500
        mp.spawn(_replica, (port, results), nprocs=2)
        first, second = results[0], results[1]
    assert first == second
    assert sum(value == 0 for row in first["0.weight"] for value in row) == 36


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        ({"criterion": "gradient"}, {}, "cannot score without data.*samples=loader"),
        ({"criterion": "synflo"}, {}, "Did you mean 'synflow'"),
        ({"pattern": {"name": "nm", "m": 4}}, {}, "'0' cannot be pruned in groups of 4.*dimension is 6.*protect"),
        ({"pattern": {"name": "nm", "n": 1, "m": 2}}, {"rate": 0.9}, "1:2 cannot be had at a rate of 0.9.*0.5"),
        ({"schedule": {"name": "iterative", "steps": 9}}, {}, "ends after the training.*takes 46.*has 4"),
        ({"allocation": {"name": "uniform", "macs": 0.01}}, {}, "macs = 0.01 cannot be reached.*nearest.*0.19"),
        ({"allocation": {"name": "uniform", "macs": 0.5, "params": 0.5}}, {}, "one target at most"),
        ({"criterion": "movement", "schedule": "at_init"}, {}, "gathers while the network trains"),
        ({"criterion": "bn_scale"}, {}, "not defined for the pattern 'element'"),
        ({"criterion": "bn_scale", "pattern": "channel"}, {}, "cannot score '0'.*no normalisation.*protect"),
        ({"schedule": "rigl", "pattern": "channel"}, {}, "does not fit the pattern 'channel'"),
        ({"schedule": "set", "permanence": "regrow"}, {}, "does not fit the permanence"),
        ({}, {"rate": 1.0}, "rate 1.0 cannot be used"),
    ],
)
def test_mistakes_are_told_before_anything_is_pruned(parts, settings, message):
    model = network()
    with pytest.raises(InputError, match=f"(?is){message}"):
        prunus.Pruner(model, recipe(**parts), X[:2], **{**SETTINGS, **settings})
    assert all((value != 0).all() for value in model.parameters())


@pytest.mark.parametrize("kind", ["params", "macs", "bops"])
@pytest.mark.parametrize("name", ["uniform", "global", "erk", "lamp"])
def test_counts_land_within_a_percent_of_the_target(kind, name):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.Flatten(),
        nn.Linear(576, 5),
    )
    inputs = torch.randn(2, 3, 10, 10)
    before = prunus.count_cost(model, inputs)
    parts = {"allocation": {"name": name, kind: 0.25}, "schedule": "at_init"}
    prunus.Pruner(model, recipe(**parts), inputs)
    after = prunus.count_cost(model, inputs)
    left = {
        "params": after.nonzero_parameters / before.parameters,
        "macs": after.effective_macs / before.dense_macs,
        "bops": after.effective_bops / before.dense_bops,
    }
    assert left[kind] == pytest.approx(0.25, rel=0.01)
