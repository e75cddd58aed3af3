"""A recipe that is to come to a latency, on real runtimes; how long anything takes is the machine's affair."""

import pytest
import torch
from torch import nn

import prunus
from prunus.errors import InputError
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.spec import Part, Recipe

X = torch.randn(2, 3, 16, 16)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 5),
    )


def recipe(pattern="channel", **settings):
    allocation = Part(name="uniform", settings=settings)
    return Recipe(name="fast", pattern=Part(name=pattern), allocation=allocation, schedule=Part(name="at_init"))


def unpruned_ms(runtime):
    with Stopwatch(network(), X, Place(runtime=runtime, batch_size=16, threads=1)) as watch:
        return watch.time(network()).unpruned_p50_ms


@pytest.mark.parametrize(("runtime", "pattern"), [("onnxruntime", "channel"), ("prunus", "element")])
def test_a_rate_is_found_and_measured(runtime, pattern):
    model, told = network(), []
    asked = recipe(pattern, latency_ms=unpruned_ms(runtime) / 2, runtime=runtime, batch_size=16)
    pruner = prunus.Pruner(model, asked, X, tell=told.append)
    found = pruner.found
    assert 0 < found.rate < 1
    assert found.timed.rounds == 100
    assert found.timed.p50_ms < found.timed.unpruned_p50_ms
    assert f"{runtime}, batch 16, 1 thread" in str(found)
    assert len(told) == found.tried + 1
    for one in pruner.scope.unit_sets:
        assert int(pruner.gone[one.name].sum()) == one.rounded(round(found.rate * one.units))
    again = network()
    assert prunus.Pruner(again, pruner.recipe, X).found is None  # the recipe has the rate: nothing is measured
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_resumed_pruner_goes_on_at_the_rate_that_was_found():
    first, other = (
        prunus.Pruner(network(), recipe(latency_ms=1.0, found_rate=found_rate), X) for found_rate in (0.25, 0.75)
    )
    other.load_state_dict(first.state_dict())
    assert other.rate == 0.25
    assert other.recipe.allocation.settings["found_rate"] == 0.25


@pytest.mark.parametrize(
    ("pattern", "settings", "message"),
    [
        ("element", {"latency_ms": 1e-4}, r"latency_ms = 0\.0001 cannot be reached.*nearest is"),
        ("channel", {"latency_ms": 1e6}, "needs no pruning.*unpruned network takes"),
        (
            "channel",
            {"latency_ms": 1.0, "runtime": "onxruntime"},
            "no runtime 'onxruntime'. Did you mean 'onnxruntime'",
        ),
        ("channel", {"latency_ms": 1.0, "macs": 0.5}, "One target at most"),
        ("channel", {"runtime": "torch"}, "go with latency_ms alone"),
        ("channel", {"latency_ms": 0.0}, "latency_ms = 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_pruned(pattern, settings, message):
    model = network()
    with pytest.raises(InputError, match=f"(?s){message}"):
        prunus.Pruner(model, recipe(pattern, **settings), X)
    assert all((value != 0).all() for value in model.parameters())


def test_inputs_that_runtimes_do_not_take_are_refused():
    place = Place(runtime="torch", batch_size=1, threads=1)
    with pytest.raises(InputError, match="not tensors with a batch dimension"):
        Stopwatch(nn.Embedding(4, 3), ([torch.zeros(2, 3)],), place)


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(9, 4), nn.Linear(4, 2)

    def forward(self, tokens, mask):
        return {"scores": self.layer((self.table(tokens) * mask[..., None]).sum(1))}


def test_networks_of_tokens_and_of_several_inputs_are_timed():
    inputs = {"tokens": torch.tensor([[0, 3], [8, 1]]), "mask": torch.ones(2, 2)}
    for runtime in ("torch", "onnxruntime"):
        with Stopwatch(Sum(), inputs, Place(runtime=runtime, batch_size=3, threads=1)) as stopwatch:
            assert stopwatch.time(Sum()).p50_ms > 0
