"""One suite over every registered criterion, pattern, allocation and schedule: a new one is tested unasked."""

import pytest
import torch
from torch import nn

from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES, prunable_layers
from prunus.prune.criteria import CRITERIA, Evidence
from prunus.spec import Part, make

RATES = [0.0, 0.2, 0.5, 0.8, 0.999]


def part(registry, name):
    return make(registry, Part(name=name))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )


INPUTS = torch.zeros(2, 1, 4, 4)


def unit_sets(name, model, protected=frozenset({"5"})):
    return part(PATTERNS, name).unit_sets(model, INPUTS, prunable_layers(model, INPUTS), protected)


@pytest.mark.parametrize("name", CRITERIA.names())
class TestCriterion:
    @pytest.mark.parametrize("shape", [(5, 1), (4, 9), (1, 3), (1, 1)])
    def test_one_finite_number_per_unit(self, name, shape):
        weights = torch.randn(shape)
        before = weights.clone()
        scores = part(CRITERIA, name).score(Evidence(weights, torch.Generator().manual_seed(0)))
        assert scores.shape == shape[:1]
        assert scores.isfinite().all()
        assert torch.equal(weights, before)

    def test_deterministic_per_seed(self, name):
        weights = torch.randn(6, 4)
        first, second = (
            part(CRITERIA, name).score(Evidence(weights, torch.Generator().manual_seed(3))) for _ in range(2)
        )
        assert torch.equal(first, second)


@pytest.mark.parametrize("name", PATTERNS.names())
class TestPattern:
    def test_every_unit_is_scored_and_masked_in_the_parameters_shapes(self, name, model):
        sets = unit_sets(name, model)
        assert sets
        for one in sets:
            assert one.units > 0
            assert one.scored
            for parameter, arrange in one.scored.items():
                assert arrange(model.get_parameter(parameter)).shape[0] == one.units
            for parameter, spread in one.masked.items():
                everything = spread(torch.ones(one.units, dtype=torch.bool))
                assert everything.shape == model.get_parameter(parameter).shape
                assert everything.dtype == torch.bool
                assert everything.all()

    def test_protected_layers_keep_their_rows(self, name, model):
        for one in unit_sets(name, model):
            for parameter, spread in one.masked.items():
                mask = spread(torch.zeros(one.units, dtype=torch.bool))
                if parameter == "5.weight":
                    assert name == "channel"  # its inputs may go with the channels that feed it
                assert parameter != "5.bias"
                assert not mask.any() or parameter in ("2.weight", "5.weight")

    def test_removing_a_unit_hits_what_was_scored(self, name, model):
        one = unit_sets(name, model)[0]
        keep = torch.ones(one.units, dtype=torch.bool)
        keep[0] = False
        for parameter, arrange in one.scored.items():
            gone = arrange(~one.masked[parameter](keep))
            assert gone[0].all()
            assert not gone[1:].any()


@pytest.mark.parametrize("name", ALLOCATIONS.names())
class TestAllocation:
    @pytest.mark.parametrize("rate", RATES)
    def test_exact_total_and_nothing_emptied_even_under_ties(self, name, rate, model):
        sets = unit_sets("element", model)
        for make_scores in (torch.rand, torch.zeros):
            counts = part(ALLOCATIONS, name).counts(sets, [make_scores(one.units) for one in sets], rate)
            assert len(counts) == len(sets)
            assert all(0 <= count < one.units for count, one in zip(counts, sets, strict=True))
            if rate <= 0.8:
                assert abs(sum(counts) - rate * sum(one.units for one in sets)) <= len(sets)

    def test_layers_of_one_unit_are_never_emptied(self, name):
        tiny = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 4))
        inputs = torch.zeros(1, 1)
        sets = part(PATTERNS, "row").unit_sets(tiny, inputs, prunable_layers(tiny, inputs), frozenset({"1"}))
        assert part(ALLOCATIONS, name).counts(sets, [torch.zeros(1)], 0.9) == [0]


@pytest.mark.parametrize("name", SCHEDULES.names())
class TestSchedule:
    @pytest.mark.parametrize("epochs", [1, 2, 3, 10, 50])
    def test_shares_grow_to_one(self, name, epochs):
        schedule = part(SCHEDULES, name)
        shares = [schedule.share(epoch, epochs) for epoch in range(1, epochs + 1)]
        pruned = [share for share in shares if share is not None]
        assert pruned == sorted(pruned)
        assert pruned[-1] == 1.0
        assert pruned[0] > 0
        assert shares == [schedule.share(epoch, epochs) for epoch in range(1, epochs + 1)]
