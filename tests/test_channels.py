from typing import Any

import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.coupling import ChannelGroup
from prunus.errors import InputError
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gathers_while_training
from prunus.spec import Part, Recipe, make

X = torch.randn(2, 1, 6, 6)
AT_ONCE = [name for name in CRITERIA if not gathers_while_training(make(CRITERIA, Part(name=name)))]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 3))


def test_criterion_and_allocation_by_name() -> None:
    model = network()
    with torch.no_grad():
        model[0].weight[[1, 2, 5]] *= 1e-4
    result = prunus.prune_channels(model, X, 0.375, criterion="magnitude", allocation="uniform")
    assert result.plan.removed["0"] == (1, 2, 5)
    assert [row.kept for row in result.report.groups] == [5, 5, 3]


def test_ranked_together_the_weak_layer_loses_more() -> None:
    def score(_model: nn.Module, group: ChannelGroup) -> Tensor:
        return torch.arange(group.units) + (100.0 if group.name == "2" else 0.0)

    result = prunus.prune_channels(network(), X, 0.25, criterion=score, allocation="global")
    assert [row.kept for row in result.report.groups] == [4, 8, 3]


def test_a_random_criterion_follows_its_seed() -> None:
    plans = [prunus.prune_channels(network(), X, 0.5, criterion="random", seed=seed).plan for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]


def test_settings_go_with_the_name() -> None:
    part = Part(name="magnitude", settings={"norm": 2})
    assert prunus.prune_channels(network(), X, 0.5, criterion=part).report.deviation < 1e-12


def test_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'magnitude'"):
        prunus.prune_channels(network(), X, 0.5, criterion="magnitud")


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("wanda", "'wanda' cannot score without data. It needs input norms. Give data"),
        ("gradient", "'gradient' cannot score without data. It needs gradients. Give data"),
        ("movement", "'movement' cannot score channels in one call. It gathers while a network trains"),
        ("apoz", "'apoz' cannot score channels in one call. It gathers while a network trains"),
        ("bn_scale", "'bn_scale' cannot score '0'. No normalisation with a scale"),
    ],
)
def test_a_criterion_that_looks_at_what_is_not_there_is_refused(criterion: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prunus.prune_channels(network(), X, 0.5, criterion=criterion)


@pytest.mark.parametrize("criterion", AT_ONCE)
def test_given_data_every_criterion_takes_what_a_pruner_takes(criterion: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip
    for norm in (model[1], model[4]):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    data = [(torch.randn(8, 1, 6, 6), torch.arange(8) % 3) for _ in range(3)]
    result = prunus.prune_channels(model, X, 0.5, criterion=criterion, data=data)
    assert [row.kept for row in result.report.groups] == [4, 3, 3]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    if criterion == "random":  # draws for all groups, not for each
        return
    recipe = Recipe(name="same", pattern="channel", criterion=criterion, schedule="at_init")
    pruner = prunus.Pruner(model, recipe, X, rate=0.5, epochs=1, samples=data)
    assert {name: tuple(gone.nonzero().flatten().tolist()) for name, gone in pruner.gone.items()} == result.plan.removed


def test_a_loss_of_ones_own_is_asked_for_gradients() -> None:
    data = [(torch.randn(8, 1, 6, 6), torch.randn(8, 3)) for _ in range(2)]
    by_loss = [
        prunus.prune_channels(network(), X, 0.5, criterion="gradient", data=data, loss=loss).plan
        for loss in (nn.functional.mse_loss, nn.functional.l1_loss)
    ]
    assert by_loss[0] != by_loss[1]


@pytest.mark.parametrize(
    ("rate", "allocation", "message"),
    [
        (0.5, {"name": "global", "rate_of": "macs"}, r"cannot be a share of macs in one call.*macs = 0\.25"),
        (0.5, {"name": "global", "macs": 0.5}, "Both a rate and a target"),
        (None, "global", "Nothing says how much is to go.*--target"),
        (None, {"name": "globl", "macs": 0.5}, "no allocation 'globl'. Did you mean 'global'"),
        (None, {"name": "uniform", "mac": 0.5}, "no setting 'mac'. Did you mean 'macs'"),
        (None, {"name": "uniform", "macs": 0.5, "runtime": "torch"}, "go with latency_ms alone"),
        (None, {"name": "uniform", "macs": 0.001}, r"macs = 0\.001 cannot be reached.*nearest.*0\.\d+"),
        (None, {"name": "uniform", "latency_ms": 1, "runtime": "onxruntime"}, "no runtime.*Did you mean 'onnxruntime'"),
    ],
)
def test_what_says_how_much_is_to_go(rate: float | None, allocation: object, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        prunus.prune_channels(network(), X, rate, allocation=allocation)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": "half"}, "rate 'half' can't be used"),
        ({"floor": 1.5}, r"floor=1\.5 can't be used"),
        ({"round_to": "8"}, "round_to='8'"),
        ({"heads": "half"}, "'heads' is 'half'. Known: dimensions, whole"),
        ({"protect": "0"}, r"'protect' is '0'.*Write \['0'\]"),
        ({"allocation": {"macs": 0.5}}, "'name' is missing. Give a name"),
        ({"allocation": {"name": "global", "floor": float("nan")}}, "'floor' is nan: it is no finite number"),
        ({"criterion": 3}, "3 is no part"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prunus.prune_channels(network(), X, **{"rate": 0.5, **settings})


@pytest.mark.parametrize("kind", ["params", "macs", "bops"])
@pytest.mark.parametrize("name", ["uniform", "global", "erk", "lamp"])
def test_a_cut_network_has_the_share_that_was_asked_for(name: str, kind: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.Flatten(), nn.Linear(256, 5)
    )
    report = prunus.prune_channels(model, torch.randn(2, 3, 6, 6), allocation={"name": name, kind: 0.3}).report
    amount = {"params": report.parameters, "macs": report.macs, "bops": report.bops}[kind]
    assert amount.ratio == pytest.approx(0.3, rel=0.01)
    assert (report.target.kind, report.target.asked, report.target.achieved) == (kind, 0.3, amount.ratio)
    assert f"asked for {kind} = 0.3, achieved {amount.ratio:.4g} (computed)" in str(report)


@pytest.mark.parametrize("allocation", ["uniform", "global", "erk", "lamp"])
def test_every_allocation_shares_a_rate_among_channels(allocation: str) -> None:
    result = prunus.prune_channels(network(), X, 0.5, allocation=allocation)
    assert result.report.channels.after < result.report.channels.before
