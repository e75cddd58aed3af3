"""Sums and ranks beyond what float32, float16 and bfloat16 hold, with numbers that are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import prunus
from prunus.errors import InputError, NotFiniteError
from prunus.prune import PATTERNS, prunable_layers
from prunus.prune.allocations.global_ import Global
from prunus.prune.allocations.lamp import Lamp, lamp
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gather, unit_scores
from prunus.prune.evidence import EVIDENCE, Samples, collect
from prunus.prune.units import UnitSet
from prunus.spec import Part, Recipe, make

HALF = (torch.float16, torch.bfloat16)


def scores_of(criterion, model, samples, pattern="element", protect=()):
    made, inputs = make(CRITERIA, Part(name=criterion)), samples.batches[0][0]
    layers = prunable_layers(model, inputs)
    sets = make(PATTERNS, Part.model_validate(pattern)).unit_sets(model, inputs, layers, frozenset(protect))
    gathered = gather(made, model, sets, samples, {})
    return sets, [unit_scores(made, model, one, gathered, torch.Generator()) for one in sets]


def chain(depth, factor, bias=False):
    """Linear layers of one weight each, so that R is factor**depth."""
    layers = [nn.Linear(1, 1, bias=bias) for _ in range(depth)]
    for layer in layers:
        nn.init.constant_(layer.weight, factor)
        if bias:
            nn.init.constant_(layer.bias, factor)
    return nn.Sequential(*(module for layer in layers for module in (layer, nn.ReLU())))


ONE = Samples(((torch.ones(1, 1), torch.zeros(1)),))


@pytest.mark.parametrize(("depth", "factor"), [(40, 10.0), (300, 10.0), (600, 10.0), (500, 0.1)])
def test_all_weights_of_a_chain_have_the_same_synaptic_flow_however_deep_it_is(depth, factor):
    _, scores = scores_of(
        "synflow", chain(depth, factor), ONE
    )  # 10**40 is more than float32 holds, 10**600 than float64
    values = torch.cat(scores)
    assert values.dtype == torch.float64
    torch.testing.assert_close(values, values[:1].expand(depth), rtol=1e-9, atol=0)
    assert 0 < float(values[0]) < math.inf


class Residual(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, x):
        return x + self.inside(x)


@pytest.mark.parametrize("factor", [1.0, 2.0**40])
def test_what_is_beyond_float64_is_ranked_as_what_is_not(factor):
    """Blocks with biases and shortcuts, then layers whose weights are all times a power of two: one factor of R."""
    torch.manual_seed(0)
    ranks = []
    for last in (1.0, factor):
        torch.manual_seed(1)
        model = nn.Sequential(
            *(Residual(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())) for _ in range(3)),
            *(nn.Linear(3, 3, bias=False) for _ in range(28)),
        )
        with torch.no_grad():
            for layer in list(model)[3:]:
                layer.weight.mul_(last)
        _, scores = scores_of("synflow", model, Samples(((torch.ones(1, 3), torch.zeros(1)),)))
        ranks.append(torch.cat(scores))
    torch.testing.assert_close(ranks[1] / ranks[1].sum(), ranks[0] / ranks[0].sum(), rtol=1e-9, atol=0)


def test_a_flow_that_cannot_be_scaled_is_refused_by_name():
    class Squared(nn.Module):
        def forward(self, x):
            return x * x

    model = nn.Sequential(nn.Linear(1, 1), *(Squared() for _ in range(20)), nn.Linear(1, 1))
    nn.init.constant_(model[0].weight, 1000.0)
    with pytest.raises(InputError, match=r"'synflow' has no finite score .* of '0'.* are in its synaptic flow"):
        scores_of("synflow", model, ONE)


def test_synflow_of_a_deep_network_prunes_it_to_the_rate():
    torch.manual_seed(0)
    model = nn.Sequential(*[layer for _ in range(900) for layer in (nn.Linear(16, 16), nn.ReLU())], nn.Linear(16, 4))
    recipe = Recipe(
        name="r", pattern="element", criterion="synflow", allocation="global", schedule=Part(name="at_init")
    )
    pruner = prunus.Pruner(model, recipe, torch.randn(2, 16), rate=0.5, epochs=1, steps_per_epoch=1)
    assert pruner.sparsity() == pytest.approx(0.5, abs=0.01)
    assert max(float((~mask).float().mean()) for mask in pruner.masks().values()) < 1


def sets_of(*sizes):
    return [UnitSet(f"s{index}", size, {}, {}, shape=(size,)) for index, size in enumerate(sizes)]


def test_global_ranks_what_float32_cannot_hold_or_tell_apart():
    large = [torch.tensor([3e300, 1e300], dtype=torch.float64), torch.tensor([2e300, 4e300], dtype=torch.float64)]
    assert Global(floor=0).counts(sets_of(2, 2), large, 0.5) == [1, 1]
    near = [torch.tensor([1 + 2e-12, 1 + 1e-12, 2], dtype=torch.float64), torch.tensor([1, 2, 2], dtype=torch.float64)]
    assert Global(floor=0).counts(sets_of(3, 3), near, 2 / 6) == [1, 1]


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_no_allocation_hangs_on_scores_that_are_not_finite(value):
    scores = [torch.full((5,), value), torch.full((7,), value)]
    for allocation in (Global(), Global(floor=0.5), Lamp()):
        assert len(allocation.counts(sets_of(5, 7), scores, 0.5)) == 2


def test_floors_hold_where_many_sets_fall_short_one_after_the_other():
    scores = [torch.full((4,), float(index)) for index in range(6)]
    assert Global(floor=0.5).counts(sets_of(*[4] * 6), scores, 0.5) == [2] * 6
    assert Global(floor=0.25).counts(sets_of(*[4] * 6), scores, 0.5) == [3, 3, 3, 3, 0, 0]


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e200])
def test_lamp_of_scores_whose_squares_are_out_of_range(factor):
    scores = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64) * factor
    assert lamp(scores).tolist() == pytest.approx([1 / 14, 1, 4 / 13])


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("size", [1, 300])
def test_norms_and_means_of_inputs_do_not_overflow_and_do_not_stop_growing(kind, size):
    layer = nn.Linear(2, 1).to(kind)
    inputs = torch.tensor([size, size / 2], dtype=kind).expand(4096, 2)
    samples = Samples(((inputs, torch.zeros(4096)),) * 2)
    norms = collect(EVIDENCE.get("input_norms"), layer, ["weight"], samples)["weight"]
    torch.testing.assert_close(norms, (inputs[:1].double() ** 2 * 8192).sqrt(), rtol=1e-12, atol=0)
    means = collect(EVIDENCE.get("input_means"), layer, ["weight"], samples)["weight"]
    torch.testing.assert_close(means, inputs[:1].double(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", HALF)
def test_means_of_a_convolutions_inputs_count_every_position_in_half_precision(kind):
    model = nn.Conv2d(1, 1, 1).to(kind)
    samples = Samples(((torch.full((4, 1, 64, 64), 0.5, dtype=kind), torch.zeros(4)),))
    means = collect(EVIDENCE.get("input_means"), model, ["weight"], samples)["weight"]
    assert means.flatten().tolist() == [0.5]


def test_inputs_are_seen_before_the_next_layer_writes_over_them():
    class Inplace(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, x):
            y = x * 3
            z = self.first(y)
            y.mul_(100)
            return self.second(z)

    model = Inplace()
    norms = collect(EVIDENCE.get("input_norms"), model, ["first.weight"], Samples(((torch.ones(1, 1), None),)))
    assert norms["first.weight"].item() == pytest.approx(3)


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("criterion", ["gradient", "snip", "fisher", "grasp"])
def test_gradients_that_half_precision_has_no_numbers_for(kind, criterion):
    """A loss of 1e-9 of the outputs: its gradients are 0 in float16, and their squares 0 in float32, too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).to(kind)
    inputs = torch.randn(8, 4).to(kind)

    def loss(outputs, targets):
        return (outputs.square().mean(1) * targets).mean() * 1e-12

    given = Samples(((inputs, torch.ones(8, dtype=kind)),), loss)
    exact = Samples(((inputs.double(), torch.ones(8, dtype=torch.float64)),), loss)
    _, found = scores_of(criterion, model, given)
    _, expected = scores_of(criterion, model.double(), exact)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=2e-3, atol=float(other.abs().max()) * 1e-4)
        assert bool(one.any())


@pytest.mark.parametrize("kind", HALF)
def test_magnitudes_of_rows_in_half_precision_are_those_of_float64(kind):
    layer = nn.Linear(4096, 3).to(kind)
    nn.init.constant_(layer.weight, 60.0)
    with torch.no_grad():
        layer.weight[1, 0] += 1  # 60 * 4096 is beyond float16, and 1 of it below a step of bfloat16
    _, (scores,) = scores_of("magnitude", layer, Samples(((torch.ones(1, 4096, dtype=kind), None),)), "row")
    assert scores.tolist() == [245760.0, 245761.0, 245760.0]


@pytest.mark.parametrize("kind", HALF)
def test_movement_goes_on_growing_in_half_precision(kind):
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)).to(kind)
    recipe = Recipe(name="r", pattern="element", criterion="movement", schedule="one_shot")
    pruner = prunus.Pruner(model, recipe, torch.ones(1, 1, dtype=kind), rate=0.5, epochs=2, steps_per_epoch=5000)
    nn.init.constant_(model[0].weight, 1.0)
    for _ in range(3000):
        model[0].weight.grad = torch.full_like(model[0].weight, -0.5)
        pruner.step()
    assert pruner.gathered["movement"].state["0.weight"].item() == pytest.approx(1500, abs=1)


@pytest.mark.parametrize("kind", [*HALF, torch.float32])
def test_recalibration_averages_many_batches_in_half_precision(kind):
    model = nn.Sequential(nn.BatchNorm1d(1)).to(kind)
    batches = [torch.full((2, 1), 100.0 if number < 900 else 200.0, dtype=kind) for number in range(1800)]
    prunus.recalibrate(model, batches)
    assert model[0].running_mean.item() == pytest.approx(150, rel=1e-3)


def test_recalibration_that_fails_leaves_the_statistics_as_they_were():
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for batches, error in (
        ([torch.ones(2, 1), torch.full((2, 1), torch.nan)], NotFiniteError),
        ([torch.full((2, 1), 5.0), torch.ones(2, 3)], RuntimeError),
    ):
        with pytest.raises(error):
            prunus.recalibrate(model, batches)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert not model[0].training
        assert model[0].momentum == 0.1


@pytest.mark.parametrize(("kind", "size"), [(torch.float16, 50.0), (torch.bfloat16, 50.0), (torch.float32, 1e25)])
def test_reconstruction_sums_up_what_layers_are_given_in_double_precision(kind, size):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2)).to(kind)
    batches = [(torch.randn(512, 16) * size).to(kind) for _ in range(8)]
    found = prunus.reconstruct(model, batches, 0.5)
    x = torch.cat(batches).double()
    before, after = model[0].weight.detach().double(), found.model[0].weight.detach().double()
    error = (x @ (before - after).T).square().sum() / (x @ before.T).square().sum()
    assert found.layers[0].error == pytest.approx(float(error), rel=1e-3)


def test_scores_of_a_users_own_function_are_one_finite_number_for_each_unit():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    inputs = torch.randn(1, 3, 8, 8)
    for scores, message in (
        (torch.tensor([1.0, torch.nan, 2.0, 3.0]), r"'0' cannot be used.*unit 1 is nan"),
        (torch.tensor([1.0, 2.0, torch.inf, 3.0]), r"unit 2 is inf"),
        (torch.ones(3), r"shape \(3,\).*4 finite numbers"),
        (None, "The criterion gave None"),
    ):
        with pytest.raises(InputError, match=message):
            prunus.prune_channels(model, inputs, 0.5, criterion=lambda _model, _group, scores=scores: scores)


def test_weights_that_are_not_finite_are_blamed_and_not_the_criterion():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    nn.init.constant_(model[0].weight[2], torch.inf)
    with pytest.raises(NotFiniteError, match=r"'magnitude'.*'0'.*the weights of '0.weight'"):
        prunus.prune_channels(model, torch.randn(1, 3, 8, 8), 0.5)


def test_wanda_within_each_output_takes_as_many_of_every_row_and_those_of_the_paper():
    """|w| · ‖x‖ by hand: norms of 1 and 2 and 4 and 8 behind the four inputs."""
    layer = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[9.0, -4.0, 1.0, 1.0], [90.0, 40.0, -30.0, 1.0]]))
    samples = Samples(((torch.diag(torch.tensor([1.0, 2.0, 4.0, 8.0])), torch.zeros(4)),), F.mse_loss)
    within = {"name": "element", "within": "output"}
    (one,), (scores,) = scores_of("wanda", layer, samples, within)
    assert scores.tolist() == [9, 8, 4, 8, 90, 80, 120, 8]
    assert one.lowest(scores, 4).tolist() == [False, True, True, False, False, True, False, True]
    (one,), (scores,) = scores_of("wanda", layer, samples)
    assert one.lowest(scores, 4).tolist() == [False, True, True, True, False, False, False, True]
