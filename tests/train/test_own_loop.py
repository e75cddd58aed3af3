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
from prunus.errors import InputError, NotFiniteError
from prunus.spec import Part, Recipe
from prunus.train.replicas import decided_by_first

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(32) % 3


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def recipe(**parts):
    parts = {"pattern": "element", **parts}
    plain = ("permanence", "protect")
    settings = {key: value if key in plain else Part.model_validate(value) for key, value in parts.items()}
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
        (torch.optim.AdamW, {"fused": True}),
        (torch.optim.Adagrad, {"foreach": True}),
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
        {"criterion": "apoz", "pattern": "channel"},
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


def test_a_resume_prunes_nothing_anew_where_the_weights_are_loaded_already():
    parts = {"criterion": "grasp", "schedule": "at_init", "allocation": "global"}
    data = [(torch.randn(16, 6), torch.arange(16) % 3)]

    def begin(model, **settings):
        return prunus.Pruner(model, recipe(**parts), torch.zeros(2, 6), rate=0.75, samples=data, **settings)

    model = network()
    pruner = begin(model)
    run(model, pruner, torch.optim.SGD(model.parameters(), 0.1))
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    begin(model)
    assert any(not torch.equal(value, trained[name]) for name, value in model.state_dict().items())  # what to avoid
    model.load_state_dict(trained)
    again = begin(model, state=pruner.state_dict())
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())
    assert again.steps == pruner.steps
    assert all(torch.equal(mask, again.masks()[name]) for name, mask in pruner.masks().items())


def _at_once(model, **settings):
    pruner = prunus.Pruner(model, recipe(schedule="at_init"), X[:2], **{**SETTINGS, **settings})
    return pruner, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)


def test_parameters_that_were_exchanged_are_held_at_zero_too():
    model = network()
    pruner, _ = _at_once(model)
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()}, assign=True)
    run(model, pruner, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), steps=3)


def test_weights_that_come_to_be_shared_lose_what_either_lost():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    pruner, _ = _at_once(model)
    model[2].weight = model[0].weight
    run(model, pruner, torch.optim.SGD(model.parameters(), 0.1), steps=3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_network_of_another_type_is_held_at_zero_too(dtype):
    model = network()
    pruner, optimizer = _at_once(model)
    model.to(dtype)
    run(model, pruner, optimizer, 3, lambda net: F.cross_entropy(net(X.to(dtype)).float(), Y))


def test_zeros_survive_gradients_that_are_not_numbers_there():
    model = network()
    rows = recipe(pattern="row", schedule="at_init")
    pruner = prunus.Pruner(model, rows, X[:2], **SETTINGS)
    run(
        model,
        pruner,
        torch.optim.SGD(model.parameters(), 0.1, momentum=0.9),
        steps=3,
        loss_of=lambda net: F.cross_entropy(net(X), Y) + 0.01 * net[2].weight.square().sum(1).sqrt().sum(),
    )
    assert all(value.isfinite().all() for value in model.parameters())


def test_several_pruners_each_on_a_part_of_one_model():
    model = network()
    first = prunus.Pruner(model, recipe(protect=["2", "output"]), X[:2], rate=0.5, epochs=4, steps_per_epoch=5)
    second = prunus.Pruner(
        model, recipe(pattern="row", protect=["0", "output"]), X[:2], rate=0.75, epochs=4, steps_per_epoch=5
    )
    inner = prunus.Pruner(model[4:], recipe(protect=[]), torch.zeros(2, 8), rate=0.25, epochs=4, steps_per_epoch=5)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        for pruner in (first, second, inner):
            pruner.step()
    assert [int((model[at].weight == 0).sum()) for at in (0, 2, 4)] == [24, 48, 6]
    assert int((model[2].weight == 0).all(1).sum()) == 6


def test_under_clipped_gradients_that_take_all_parameters_together():
    model = network()
    pruner = prunus.Pruner(model, recipe(), X[:2], rate=0.75, epochs=8, steps_per_epoch=5)
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1, foreach=True)
        nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
        pruner.step()
        for name, mask in pruner.masks().items():
            assert (model.get_parameter(name)[~mask] == 0).all()
    assert int((model[0].weight == 0).sum()) == 36


@pytest.mark.parametrize("pattern", ["element", {"name": "nm", "m": 2}, {"name": "block", "rows": 2}, "channel"])
def test_weights_that_are_laid_out_channels_last_get_the_same_masks(pattern):
    def trained(layout):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(24, 3)
        ).to(memory_format=layout)
        x = torch.randn(12, 2, 6, 6, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
        pruner = prunus.Pruner(model, recipe(pattern=pattern), x[:2], rate=0.5, epochs=4, steps_per_epoch=2)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
        for _ in range(8):
            optimizer.zero_grad()
            F.cross_entropy(model(x), torch.arange(12) % 3).backward()
            optimizer.step()
            pruner.step()
        assert all((model.get_parameter(name)[~mask] == 0).all() for name, mask in pruner.masks().items())
        assert model[3].weight.is_contiguous(memory_format=layout)
        return pruner.masks()

    plain, last = trained(torch.contiguous_format), trained(torch.channels_last)
    assert plain
    assert all(torch.equal(mask, last[name]) for name, mask in plain.items())


def test_under_an_optimizer_with_a_closure():
    model = network()
    pruner, _ = _at_once(model)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        pruner.step()
        assert all((model.get_parameter(name)[~mask] == 0).all() for name, mask in pruner.masks().items())


def test_a_scaler_that_skips_a_step_does_not_spoil_the_movement():
    model = network()
    moving = recipe(criterion="movement", schedule={"name": "one_shot", "at": 0.5})
    pruner = prunus.Pruner(model, moving, X[:2], **SETTINGS)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    for step in range(21):
        optimizer.zero_grad(set_to_none=False)
        scaler.scale(30 * F.cross_entropy(model(X), Y)).backward()
        assert step or not all(value.grad.isfinite().all() for value in model.parameters())
        scaler.step(optimizer)
        scaler.update()
        pruner.step()
    assert int((model[0].weight == 0).sum()) == 36


def test_an_averaged_copy_takes_the_masks():
    model = network()
    averaged = torch.optim.swa_utils.AveragedModel(model)
    pruner, optimizer = _at_once(model)
    run(model, pruner, optimizer, steps=3)
    averaged.update_parameters(model)
    averaged.update_parameters(model)
    prunus.apply_masks(averaged.module, pruner.masks())
    assert int((averaged.module[0].weight == 0).sum()) == 36


def test_a_copy_of_network_and_pruner_goes_its_own_way():
    model = network()
    pruner = prunus.Pruner(model, recipe(), X[:2], **SETTINGS)
    run(model, pruner, torch.optim.Adam(model.parameters(), 0.01), steps=10)
    before = pruner.state_dict()["gone/0"].clone()
    other, its = copy.deepcopy((model, pruner))
    assert its.model is other
    run(other, its, torch.optim.Adam(other.parameters(), 0.01), steps=30)
    assert int((other[0].weight == 0).sum()) == 36
    assert torch.equal(pruner.gone["0"], before)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.out = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, left, right=None):
        return self.out((self.left(left) + self.right(left if right is None else right)).relu())


@pytest.mark.parametrize("pattern", ["element", "channel"])
@pytest.mark.parametrize("inputs", [(X[:2], X[2:4]), {"left": X[:2], "right": X[2:4]}], ids=["tuple", "named"])
def test_networks_of_several_inputs(pattern, inputs):
    pruner = prunus.Pruner(Two(), recipe(pattern=pattern, schedule="at_init"), inputs, rate=0.5)
    assert pruner.gone["left"].float().mean() == 0.5


@pytest.mark.parametrize(
    "compute",
    [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm],
    ids=lambda one: one.__name__,
)
def test_a_weight_that_is_computed_is_refused_or_protected(compute):
    model = network()
    compute(model[2])
    with pytest.raises(InputError, match=r"'2' cannot be pruned.*computed from others.*protect"):
        prunus.Pruner(model, recipe(schedule="at_init"), X[:2])
    pruner = prunus.Pruner(model, recipe(schedule="at_init", protect=("output", "2")), X[:2])
    assert [one.name for one in pruner.scope.unit_sets] == ["0"]
    compute(model[0])
    with pytest.raises(InputError, match=r"'0\.weight', which was pruned, is no parameter"):
        pruner.step()


def test_lazy_layers_get_their_shapes_first():
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    pruner = prunus.Pruner(model, recipe(schedule="at_init"), X[:2])
    run(model, pruner, torch.optim.AdamW(model.parameters(), 0.01), steps=3)
    assert int((model[0].weight == 0).sum()) == 24


def test_epochs_of_unknown_length_are_counted_by_the_user():
    model = network()
    pruner = prunus.Pruner(model, recipe(schedule="at_init"), X[:2], epochs=2, steps_per_epoch=None)
    with pytest.raises(InputError, match=r"due after epoch 0.*after_epoch\(0\) was never called"):
        pruner.after_epoch(1)
    pruner.after_epoch(0)
    pruner.after_epoch(1)
    assert int((model[0].weight == 0).sum()) == 24


@pytest.mark.parametrize("parts", [{"criterion": "movement", "schedule": "one_shot"}, {"schedule": "rigl"}], ids=str)
@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_were_cleared_too_early_are_told(parts, to_none):
    model = network()
    pruner = prunus.Pruner(model, recipe(**parts), X[:2], rate=0.5, epochs=4, steps_per_epoch=1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(InputError, match=r"pruner\.step\(\) before the gradients are cleared"):  # noqa: PT012
        for _ in range(4):
            F.cross_entropy(model(X), Y).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=to_none)
            pruner.step()


def test_scores_that_are_not_numbers_are_told():
    model = network()
    nn.init.constant_(model[2].weight[0], torch.nan)
    with pytest.raises(NotFiniteError, match=r"'magnitude' has no finite score .* of '2'.* weights of '2.weight'"):
        _at_once(model)


def test_the_state_of_another_pruner_is_refused():
    pruner, _ = _at_once(network())
    other = prunus.Pruner(network(), recipe(pattern="row", schedule="at_init"), X[:2])
    for state in ({}, other.state_dict(), {**pruner.state_dict(), "gone/9": torch.zeros(3)}):
        with pytest.raises(InputError, match="The state is not of this pruner"):
            pruner.load_state_dict(state)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("resnet", {}, "An object of type str is no network"),
        (nn.ReLU(), {}, "nothing to prune"),
        (nn.Linear(5, 3), {}, "does not run on the example inputs.*a dictionary"),
        (None, {"rate": "a"}, "The rate 'a' cannot be used"),
        (None, {"rate": float("nan")}, "The rate nan cannot be used"),
        (None, {"rate": True}, "The rate True cannot be used"),
        (None, {"rate": -0.1}, "The rate -0.1 cannot be used"),
        (None, {"epochs": 2.5}, "epochs = 2.5 cannot be used"),
        (None, {"steps_per_epoch": 0}, "steps_per_epoch = 0 cannot be used"),
        (None, {"recipe": "element-lmp"}, "no recipe 'element-lmp'.*Did you mean 'element-lamp'"),
        (None, {"recipe": {"pattern": "element"}}, "An object of type dict is no recipe"),
        (None, {"samples": []}, "There are no samples"),
        (None, {"samples": 5}, "no batches of"),
        (None, {"samples": [X[:2]]}, "A batch of them is of type Tensor"),
        (None, {"samples": [{"x": X}]}, "A batch of them is of type dict"),
        (None, {"samples": [(X, Y.float())]}, "loss of the samples cannot be computed.*loss="),
    ],
)
def test_strange_arguments_are_told(model, changes, message):
    settings = {"recipe": recipe(criterion="snip", schedule="at_init"), "samples": [(X, Y)], **changes}
    with pytest.raises(InputError, match=f"(?is){message}"):
        prunus.Pruner(model or network(), settings.pop("recipe"), X[:2], **settings)


def test_a_built_in_recipe_by_name():
    assert prunus.Pruner(network(), "element-lamp", X[:2]).recipe == prunus.builtin_recipes()["element-lamp"]


def test_weights_go_back_where_they_were():
    model = network()
    initial = model[0].weight.clone()
    rewind = {"name": "iterative", "steps": 1, "retrain_epochs": 2, "rewind": "weights"}
    pruner = prunus.Pruner(model, recipe(schedule=rewind), X[:2], **SETTINGS)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    run(model, pruner, optimizer, 19)
    assert not torch.equal(model[0].weight, initial)
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    assert pruner.step()  # says that the optimiser should forget, too
    assert not pruner.step()
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


@pytest.mark.parametrize("schedule", ["set", "rigl"])
def test_blocks_that_grow_are_of_as_many_weights_as_those_that_go(schedule):
    """Of 22 x 21 weights in blocks of 4 x 4, those at the edges hold 4, 8 and 2."""
    model = nn.Sequential(nn.Linear(21, 22, bias=False), nn.Linear(22, 2))
    parts = recipe(pattern={"name": "block"}, schedule={"name": schedule, "replaced": 0.9, "end": 1})
    pruner = prunus.Pruner(model, parts, torch.zeros(1, 21), rate=0.5, epochs=9, steps_per_epoch=1)
    left, seen = int(pruner.masks()["0.weight"].sum()), set()
    for _ in range(8):
        model[0].weight.grad = torch.randn(22, 21)
        pruner.step()
        with torch.no_grad():
            model[0].weight += torch.randn(22, 21)
        mask = pruner.masks()["0.weight"]
        assert int(mask.sum()) == left
        seen.add(tuple(mask.flatten().tolist()))
    assert len(seen) > 2


def test_movement_keeps_what_grows():
    model = nn.Sequential(nn.Linear(4, 1, bias=False), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[4.0, -3.0, 0.2, -0.1]]))
    moving = recipe(criterion="movement", schedule={"name": "one_shot", "at": 0.5})
    pruner = prunus.Pruner(model, moving, torch.zeros(1, 4), rate=0.5, epochs=2, steps_per_epoch=1)
    gathering = pruner.gathered["movement"]
    model[0].weight.grad = torch.tensor([[1.0, -1.0, -1.0, 1.0]])
    pruner.step()
    assert gathering.state["0.weight"].flatten().tolist() == pytest.approx([-4.0, -3.0, 0.2, 0.1])
    assert pruner.gathered == {}, "nothing is left that it could tell"
    assert model[0].weight.flatten().tolist() == pytest.approx([0.0, 0.0, 0.2, -0.1])


def _refused(rank):
    def decide():
        raise InputError(f"{rank} cannot")

    try:
        return decided_by_first(decide)
    except InputError as error:
        return error.what


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
        results[f"decided {rank}"] = decided_by_first(lambda: f"by {rank}"), _refused(rank)
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
        assert results["decided 0"] == results["decided 1"] == ("by 0", "0 cannot")
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
