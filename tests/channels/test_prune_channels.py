import copy
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.channels import masked, recalibrate
from prunus.channels.by_name import prune_channels
from prunus.channels.choice import kept_count
from prunus.errors import InputError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 20, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, 3),
    )


X = torch.randn(2, 1, 6, 6)


def test_half_of_the_channels_leaves_half() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    result = prune_channels(model, X, 0.5)
    assert [(row.name, row.units, row.kept) for row in result.report.groups] == [
        ("0", 16, 8),
        ("3", 20, 10),
        ("6", 3, 3),
    ]
    assert (result.report.macs.before, result.report.macs.after) == (
        16 * 9 * 16 + 20 * 16 * 9 * 4 + 240,
        8 * 9 * 16 + 10 * 8 * 9 * 4 + 120,
    )
    assert result.report.deviation < 1e-12
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert "left alone: 6 (3): model output" in str(result.report)


def test_the_smallest_rows_go() -> None:
    model = network()
    with torch.no_grad():
        model[3].weight[[4, 7]] *= 1e-3
    result = prune_channels(model, X, 0.1)
    assert result.plan.removed["3"] == (4, 7)


def test_a_protected_layer_keeps_its_channels() -> None:
    result = prune_channels(network(), X, 0.5, protect=["3"])
    assert result.plan.removed.keys() == {"0"}


def test_channels_that_are_left_are_a_multiple() -> None:
    result = prune_channels(network(), X, 0.3, round_to=8)
    assert [row.kept for row in result.report.groups] == [8, 16, 3]


@pytest.mark.parametrize(
    ("units", "width", "rate", "round_to", "floor", "kept"),
    [
        (64, 1, 0.5, 1, 1, 32),
        (64, 1, 0.99, 1, 1, 1),
        (64, 1, 0.99, 1, 4, 4),
        (6, 1, 0.5, 8, 1, 6),
        (12, 64, 0.5, 16, 1, 6),
    ],
)
def test_limits(units: int, width: int, rate: float, round_to: int, floor: int, kept: int) -> None:
    assert kept_count(units, width, rate, round_to, floor) == kept


def test_ranked_together_a_small_layer_loses_more() -> None:
    model = network()
    result = prune_channels(
        model,
        X,
        0.25,
        criterion=lambda _m, g: torch.arange(g.units) + 100.0 * (g.name == "0"),
        allocation="global",
    )
    assert [row.kept for row in result.report.groups] == [16, 11, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.0}, "0 <= rate < 1"),
        ({"rate": -0.1}, "0 <= rate < 1"),
        ({"rate": float("nan")}, "0 <= rate < 1"),
        ({"rate": 0.5, "round_to": 0}, "1 or more"),
        ({"rate": 0.5, "protect": ["*"]}, "Nothing in this model can be pruned"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune_channels(network(), X, **arguments)


class ByValue(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


def test_a_forward_that_decides_by_values_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"ByValue can't be traced.*return self\.layer\(x\) if x\.sum\(\) > 0"):
        prune_channels(ByValue(), torch.randn(2, 4), 0.5)
    assert capfd.readouterr() == ("", "")  # of all that torch would say


def test_recalibration_measures_the_statistics_of_the_data() -> None:
    model = network().train()
    batches = [torch.randn(8, 1, 6, 6) * 3 + 1 for _ in range(4)]
    assert recalibrate(model, batches) == 4
    assert model.training
    assert model[1].momentum == 0.1
    activations = torch.stack([model[0](batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(model[1].running_mean, activations, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet18", "An object of type str can't be pruned"),
        (network().to("meta"), r"'0\.weight' is on the meta device"),
    ],
)
def test_what_holds_no_weights_is_refused(model: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune_channels(model, X, 0.5)


def test_weights_that_are_not_a_number_are_not_a_fault_of_the_cut() -> None:
    model = network()
    with torch.no_grad():
        model[6].bias[2] = float("nan")
    with pytest.raises(InputError, match="values that are not a number"):
        prune_channels(model, X, 0.5)
    assert torch.isnan(model[6].bias).sum() == 1


def test_outputs_that_are_infinite_on_purpose_are_compared() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.leave(self.enter(x).relu()).masked_fill(torch.tensor([True, False, False]), float("-inf"))

    assert prune_channels(Masked(), torch.randn(2, 4), 0.5).report.deviation < 1e-12


def test_inputs_that_are_no_batch_are_counted_whole() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
            return neighbours @ self.leave((neighbours @ self.enter(x)).relu())

    report = prune_channels(Graph(), (torch.randn(5, 4), torch.ones(5, 5)), 0.5).report
    assert report.macs.before == 5 * 4 * 8 + 5 * 5 * 8 + 5 * 8 * 3 + 5 * 5 * 3
    assert report.macs.after == 5 * 4 * 4 + 5 * 5 * 4 + 5 * 4 * 3 + 5 * 5 * 3


@dataclass
class Answer:
    """What a model may return beside its result: more tensors, and an object that holds some."""

    features: Tensor
    cache: object


class KeysCache:
    def __init__(self, keys: Tensor) -> None:
        self.keys = keys


class Answering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.features, self.head = nn.Linear(4, 8), nn.Linear(8, 6), nn.Linear(8, 3)
        self.scores = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, SimpleNamespace, Answer]:
        hidden = self.enter(x).relu()
        more = SimpleNamespace(scores=self.scores(hidden), model=self)
        return self.head(hidden), more, Answer(self.features(hidden), KeysCache(hidden))


def test_tensors_in_objects_that_a_model_returns_are_outputs_but_for_caches() -> None:
    model, x = Answering().eval(), torch.randn(2, 4)
    small = prune_channels(model, x, 0.5).model
    result, more, answer = small(x)
    assert result.shape == (2, 3)
    assert more.scores.shape == (2, 5)
    assert answer.features.shape == (2, 6)
    assert answer.cache.keys.shape == (2, 4)


def test_a_model_that_returns_no_tensor_is_refused() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(4, 8)

        def forward(self, x: Tensor) -> KeysCache:
            return KeysCache(self.enter(x))

    with pytest.raises(InputError, match="Silent returns an object of type KeysCache in which there is no tensor"):
        prune_channels(Silent(), torch.randn(2, 4), 0.5)


class Segmented(nn.Module):
    """Reads the table of segments only if it is told to which one a token belongs."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.segments, self.head = nn.Linear(4, 8), nn.Embedding(2, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        x = self.body(x)
        return self.head(x if token_type_ids is None else x + self.segments(token_type_ids))


def test_what_only_an_argument_that_the_example_leaves_out_uses_is_cut_too() -> None:
    torch.manual_seed(0)
    model, x = Segmented().eval(), torch.randn(2, 3, 4)
    result = prune_channels(model, x, 0.5)
    types = torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert result.model.segments.embedding_dim == 4
    expected = masked(model, result.plan, x)(x, token_type_ids=types)
    torch.testing.assert_close(result.model(x, token_type_ids=types), expected)
    assert not any(way.outcome == "refused" for way in result.report.ways)


class Scaled(nn.Module):
    """Divides each channel by its own norm over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8, bias=False), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        return self.head(x / x.norm(dim=0, keepdim=True))


def test_a_division_by_what_is_masked_is_not_blamed_on_the_weights() -> None:
    with pytest.raises(InputError, match="when the channels to be removed are zero"):
        prune_channels(Scaled().eval(), torch.randn(3, 4), 0.5)


@pytest.mark.parametrize("empty", [torch.zeros(0, 8), {"input": torch.zeros(0, 8)}, (torch.zeros(0, 8),)])
def test_example_inputs_without_a_value_are_refused(empty):
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    with pytest.raises(InputError, match=r"hold no values: \(0, 8\)\. Give a batch of one sample"):
        prunus.prune_channels(model, empty, 0.5)
    with pytest.raises(InputError, match="hold no values"):
        prunus.channel_groups(model, empty)


def test_a_network_without_channels_is_told_what_it_lacks():
    with pytest.raises(InputError, match="t has no channels between two layers"):
        prunus.prune_channels(nn.ReLU(), torch.zeros(2, 8), 0.5)
