import pytest
import torch
from torch import nn

from prunus.compress.candidates import Candidate, least_widths
from prunus.compress.choosing import choose_widths, group_costs
from prunus.compress.costs import LayerTimes, MeasuredCosts, weight_sizes
from prunus.compress.goals import Latency, Macs
from prunus.compress.layers import timed_layers
from prunus.compress.widths import uniform, whole
from prunus.measure.stopwatch import Place, Stopwatch


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.inner = nn.Conv2d(16, 32, 3, padding=1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.back = nn.Conv2d(32, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.back(self.depthwise(self.inner(x).relu()).relu())
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def candidate():
    torch.manual_seed(0)
    return Candidate(Residual().eval(), torch.randn(2, 3, 8, 8))


def test_counted_costs_are_those_of_the_cut_network(candidate):
    goal = Macs(candidate.model, torch.randn(2, 3, 8, 8), candidate.groups)
    for widths in (whole(candidate.groups), uniform(candidate.groups, 0.5), {"stem": 4, "inner": 28}):
        assert goal.costs.total(widths) == pytest.approx(goal.of(candidate.cut(widths)))


def test_a_group_costs_what_the_network_does_with_it_alone_narrowed(candidate):
    goal = Macs(candidate.model, torch.randn(2, 3, 8, 8), candidate.groups)
    around = whole(candidate.groups)
    for one, costs in zip(candidate.groups, group_costs(candidate.groups, goal.costs, around), strict=True):
        assert costs[0] == 0
        assert costs == sorted(costs, reverse=True)
        last = candidate.cut({**around, one.name: one.choices[-1]})
        assert goal.whole + costs[-1] == pytest.approx(goal.of(last))


@pytest.mark.parametrize("share", [0.7, 0.3])
def test_what_is_chosen_keeps_the_budget_and_what_is_worth_most(candidate, share):
    goal = Macs(candidate.model, torch.randn(2, 3, 8, 8), candidate.groups)
    worth = {"stem": 1.0, "inner": 1000.0}
    losses = [[worth[one.name] * (one.group.units - left) for left in one.choices] for one in candidate.groups]
    widths = choose_widths(candidate.groups, losses, goal.costs, share * goal.whole)
    assert goal.costs.total(widths) <= share * goal.whole
    lost = {one.name: 1 - widths[one.name] / one.group.units for one in candidate.groups}
    assert lost["stem"] >= lost["inner"]
    nothing = goal.costs.total(least_widths(candidate.groups, goal.costs)) - 1
    assert choose_widths(candidate.groups, losses, goal.costs, nothing) is None


def test_layers_are_timed_at_the_sizes_that_they_come_to(candidate):
    layers = {layer.weight: layer for layer in timed_layers(candidate.model, torch.randn(2, 3, 8, 8))}
    assert list(layers) == [f"{name}.weight" for name in ("stem", "inner", "depthwise", "back", "head")]
    for name, sizes, shape, out in (
        ("inner.weight", (20, 6, 3, 3), (6, 8, 8), (20, 8, 8)),
        ("depthwise.weight", (9, 1, 3, 3), (9, 8, 8), (9, 8, 8)),
        ("head.weight", (5, 7), (7,), (5,)),
    ):
        layer, found = layers[name].at(sizes)
        assert found == shape
        assert layer(torch.randn(2, *shape)).shape == (2, *out)


@pytest.mark.parametrize(
    ("module", "sizes", "inputs", "outputs"),
    [
        (nn.ConvTranspose2d(8, 6, 2, stride=2), (4, 3, 2, 2), 4, 3),
        (nn.Conv2d(8, 8, 3, groups=4), (4, 2, 3, 3), 4, 4),
        (nn.Conv2d(8, 8, 3, groups=4), (4, 1, 3, 3), 4, 4),
    ],
)
def test_transposed_and_grouped_layers_at_their_sizes(module, sizes, inputs, outputs):
    (layer,) = timed_layers(nn.Sequential(module), torch.randn(1, 8, 6, 6))
    small, shape = layer.at(sizes)
    assert shape == (inputs, 6, 6)
    assert small(torch.randn(1, *shape)).shape[1] == outputs


def test_times_lie_between_those_of_the_nearest_sizes():
    times = LayerTimes(((4, 8), (1, 3)), torch.tensor([[1.0, 3.0], [2.0, 6.0]]).numpy())
    assert [times.at(sizes) for sizes in ((4, 1), (8, 3), (6, 1), (4, 2), (6, 2), (2, 9))] == [1, 6, 1.5, 2, 3, 3]


def test_the_table_of_a_latency_agrees_with_the_network_where_that_was_timed(candidate):
    inputs, told = torch.randn(2, 3, 8, 8), []
    place = Place(runtime="onnxruntime", batch_size=4, threads=1)
    with Stopwatch(candidate.model, inputs, place) as watch:
        goal = Latency(candidate.model, inputs, candidate.groups, candidate.cut, watch, told.append, 0.1)
        first = goal.costs.total(whole(candidate.groups))
        assert first == pytest.approx(goal.whole, rel=0.5)
        assert goal.of(candidate.cut(uniform(candidate.groups, 0.5))) > 0
    assert 0 < goal.costs.total(uniform(candidate.groups, 0.5)) < 2 * first
    assert any("depthwise.weight" in text for text in told)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.reader, self.hidden, self.out = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 24), nn.Linear(24, 4)

    def forward(self, x):
        return self.out(self.hidden(self.reader(x)[0][:, -1]).relu())


def test_layers_that_are_not_timed_alone_belong_to_what_is_left_of_them():
    network, inputs = Recurrent().eval(), torch.randn(2, 6, 8)
    candidate = Candidate(network, inputs)
    layers, sizes = timed_layers(network, inputs), weight_sizes(network, candidate.groups)
    assert [layer.weight for layer in layers] == ["hidden.weight", "out.weight"]
    nothing = LayerTimes(((1,), (1,)), torch.zeros(1, 1).numpy())
    halved = uniform(candidate.groups, 0.5)
    measured = [(whole(candidate.groups), 8.0), (halved, 4.0)]
    costs = MeasuredCosts(layers, sizes, (nothing, nothing)).with_rest(measured)
    assert costs.total(whole(candidate.groups)) == 8
    assert costs.total(halved) == 4
    assert 4 < costs.total({"reader": 24}) < 8
    assert costs.total({"hidden": 12}) == 8
