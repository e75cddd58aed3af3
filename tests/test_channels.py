import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.errors import InputError
from prunus.graph import ChannelGroup
from prunus.prune.criteria import CRITERIA
from prunus.spec import Part, Recipe

X = torch.randn(2, 1, 6, 6)


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
        ("wanda", "'wanda' cannot score without data. It needs input_norms. Give data"),
        ("gradient", "'gradient' cannot score without data. It needs gradients. Give data"),
        ("movement", "'movement' cannot score channels in one call. It gathers while a network trains"),
        ("bn_scale", "'bn_scale' cannot score '0'. No normalisation with a scale"),
    ],
)
def test_a_criterion_that_looks_at_what_is_not_there_is_refused(criterion: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prunus.prune_channels(network(), X, 0.5, criterion=criterion)


@pytest.mark.parametrize("criterion", [name for name in CRITERIA if name != "movement"])
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


def test_an_allocation_by_cost_is_refused() -> None:
    part = Part(name="global", settings={"macs": 0.5})
    with pytest.raises(InputError, match="cannot come to a share of macs in one call"):
        prunus.prune_channels(network(), X, 0.5, allocation=part)


@pytest.mark.parametrize("allocation", ["uniform", "global", "erk", "lamp"])
def test_every_allocation_shares_a_rate_among_channels(allocation: str) -> None:
    result = prunus.prune_channels(network(), X, 0.5, allocation=allocation)
    assert result.report.channels.after < result.report.channels.before
