"""Scores and masks against torch's own pruning, brute force and transcriptions of the papers in float64."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunus.prune import PATTERNS, prunable_layers
from prunus.prune.allocations.allocation import counts_of
from prunus.prune.allocations.erk import Erk
from prunus.prune.allocations.global_ import Global
from prunus.prune.allocations.lamp import Lamp, lamp
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gather, unit_scores
from prunus.prune.evidence import Samples
from prunus.prune.units import UnitSet
from prunus.spec import Part, make


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3))


NETWORKS = [(mlp, (5,)), (convolutions, (3, 6, 6))]


def samples(shape, dtype=torch.float32):
    draws = torch.Generator().manual_seed(1)
    return Samples(((torch.randn(6, *shape, generator=draws).to(dtype), torch.arange(6) % 3),))


def scored(name, pattern, model, shape, given=None):
    criterion = make(CRITERIA, Part.model_validate(name))
    inputs = torch.zeros(2, *shape, dtype=next(model.parameters()).dtype)
    layers = prunable_layers(model, inputs)
    sets = make(PATTERNS, Part.model_validate(pattern)).unit_sets(model, inputs, layers, frozenset())
    gathered = gather(criterion, model, sets, given or samples(shape, inputs.dtype), {})
    return sets, [unit_scores(criterion, model, one, gathered, torch.Generator().manual_seed(7)) for one in sets]


def masked(sets, scores, counts):
    masks = {}
    for one, score, count in zip(sets, scores, counts, strict=True):
        for name, spread in one.masked.items():
            masks[name] = spread(~one.lowest(score, count))
    return masks


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 0.9])
def test_l1_ln_random_and_global_are_torchs_masks(build, shape, rate):
    for criterion, pattern, plain in (
        ("magnitude", "element", lambda m: torch_prune.l1_unstructured(m, "weight", rate)),
        ({"name": "magnitude", "norm": 2}, "row", lambda m: torch_prune.ln_structured(m, "weight", rate, 2, 0)),
        ({"name": "magnitude", "norm": 1}, "row", lambda m: torch_prune.ln_structured(m, "weight", rate, 1, 0)),
    ):
        model = build()
        sets, scores = scored(criterion, pattern, model, shape)
        masks = masked(sets, scores, [round(rate * one.units) for one in sets])
        for name, module in build().named_modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                plain(module)
                assert torch.equal(masks[f"{name}.weight"], module.weight_mask.bool())
    if rate > 0.5:
        return  # where torch empties a layer, which is never done here
    model = build()
    sets, scores = scored("magnitude", "element", model, shape)
    masks = masked(sets, scores, Global(floor=0).counts(sets, scores, rate))
    modules = {n: m for n, m in model.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))}
    torch_prune.global_unstructured(
        [(m, "weight") for m in modules.values()], pruning_method=torch_prune.L1Unstructured, amount=rate
    )
    assert all(torch.equal(masks[f"{n}.weight"], m.weight_mask.bool()) for n, m in modules.items())


def test_random_given_the_generator_is_torchs_mask():
    layer = nn.Linear(6, 5)
    sets, scores = scored("random", "element", layer, (6,))
    torch.manual_seed(7)
    torch_prune.random_unstructured(layer, "weight", 12)
    drawn = torch.rand(30, generator=torch.Generator().manual_seed(7))
    assert torch.equal(scores[0], -drawn)
    expected = torch.zeros(30, dtype=torch.bool)
    expected[torch.topk(drawn, 18, largest=False).indices] = True
    assert torch.equal(masked(sets, scores, [12])["weight"].flatten(), expected)
    assert torch.equal(layer.weight_mask.bool().flatten(), expected)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 8), (1, 2)])
@pytest.mark.parametrize("shape", [(3, 8), (2, 8, 3, 3), (2, 8, 3)])
def test_nm_is_the_best_choice_of_every_group(n, m, shape):
    torch.manual_seed(0)
    kinds = {2: nn.Linear(shape[1], shape[0]), 3: nn.Conv1d(shape[1], shape[0], 3), 4: nn.Conv2d(8, shape[0], 3)}
    layer = kinds[len(shape)]
    sets, scores = scored("magnitude", {"name": "nm", "m": m}, layer, (8, *[5] * (len(shape) - 2)))
    mask = masked(sets, scores, [round((1 - n / m) * sets[0].units)])["weight"]
    weight, mask = (tensor.movedim(1, -1).reshape(-1, m) for tensor in (layer.weight.detach().abs(), mask))
    for values, kept in zip(weight, mask, strict=True):
        best = max(itertools.combinations(range(m), n), key=lambda chosen: values[list(chosen)].sum())
        assert kept.nonzero().flatten().tolist() == list(best)


def test_blocks_are_norms_of_tiles_and_go_whole():
    layer = nn.Linear(5, 4, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(20.0).reshape(4, 5))
    sets, scores = scored("magnitude", {"name": "block", "rows": 2, "columns": 3}, layer, (5,))
    assert scores[0].tolist() == [0 + 1 + 2 + 5 + 6 + 7, 3 + 4 + 8 + 9, 10 + 11 + 12 + 15 + 16 + 17, 13 + 14 + 18 + 19]
    mask = masked(sets, scores, [1])["weight"]
    assert mask[:2, :3].any().item() is False
    assert int(mask.sum()) == 14


def test_blocks_at_each_tap_are_of_outputs_and_inputs():
    layer = nn.Conv2d(3, 4, (1, 2), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(24.0).reshape(4, 3, 1, 2))  # 6 output + 2 input + tap
    pattern = {"name": "block", "rows": 2, "columns": 2, "each_tap": True}
    sets, scores = scored("magnitude", pattern, layer, (3, 4, 4))
    first = [0 + 2 + 6 + 8, 4 + 10, 1 + 3 + 7 + 9, 5 + 11]  # of outputs 0 and 1: inputs 0 and 1, input 2, at each tap
    second = [12 + 14 + 18 + 20, 16 + 22, 13 + 15 + 19 + 21, 17 + 23]
    assert scores[0].tolist() == first + second
    mask = masked(sets, scores, [1])["weight"]
    assert sorted(torch.nonzero(mask == 0).tolist()) == [[0, 2, 0, 0], [1, 2, 0, 0]]  # 14 is the least


def unit_set(name, shape):
    return UnitSet(name, torch.Size(shape).numel(), {}, {}, shape=shape)


def test_erk_by_hand():
    # densities ∝ (8 + 4) / 32 = 3/8 and (16 + 16) / 256 = 1/8; 0.25 of 288 = 72 = e (12 + 32), e = 18/11
    sets = [unit_set("a", (8, 4)), unit_set("b", (16, 16))]
    assert Erk().counts(sets, [], 0.75) == [32 - round(12 * 18 / 11), 256 - round(32 * 18 / 11)]
    # at density 0.5, a would be at 1.227, so it stays whole and b takes 144 - 32 = 112
    assert Erk().counts(sets, [], 0.5) == [0, 256 - 112]


def test_densities_share_what_whole_layers_leave():
    assert counts_of([100.0, 1.0, 1.0], [10, 100, 100], 0.5) == [0, 52, 52]


def test_lamp_by_hand():
    # 1 / (1 + 4 + 9), 4 / (4 + 9), 9 / 9 and 16 / (16 + 25), 25 / 25: the order is a0, a1, b0
    sets = [unit_set("a", (3,)), unit_set("b", (2,))]
    scores = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0])]
    assert lamp(scores[0]).tolist() == pytest.approx([1 / 14, 4 / 13, 1])
    assert Lamp().counts(sets, scores, 0.4) == [2, 0]
    assert Lamp().counts(sets, scores, 0.6) == [2, 1]


def test_lamp_raises_scores_below_zero_by_their_lowest():
    shifted = torch.tensor([-2.0, -torch.inf, 0.0, -1.0])  # as 0, gone, 2, 1
    assert lamp(shifted).tolist() == pytest.approx([0, -torch.inf, 1, 1 / 5])
    assert lamp(torch.full((2,), -torch.inf)).tolist() == [-torch.inf, -torch.inf]


@pytest.mark.parametrize("name", ["random", "grasp"])
def test_lamp_keeps_the_order_and_empties_no_layer_by_criteria_that_go_below_zero(name):
    model, shape = mlp(), (5,)
    sets, scores = scored(name, "element", model, shape, samples(shape))
    assert all(bool((each < 0).any()) for each in scores)
    for each in scores:
        torch.testing.assert_close(lamp(each).argsort(stable=True), each.argsort(stable=True))
    gone = Lamp().counts(sets, scores, 0.5)
    assert all(0 < count < 0.9 * one.units for count, one in zip(gone, sets, strict=True)), gone


def test_snip_grasp_and_fisher_are_their_formulas():
    model, shape = mlp().double(), (5,)
    given = samples(shape, torch.float64)
    ((x, y),) = given.batches
    weights = [model[0].weight, model[2].weight]
    loss = F.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    flow = sum(g.square().sum() for g in gradients) / 2
    hessian_gradients = torch.autograd.grad(flow, weights)  # the gradient of g·g/2 is H g
    singles = [torch.autograd.grad(F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), weights) for i in range(6)]
    for index, weight in enumerate(weights):
        expected = {
            "snip": (weight * gradients[index]).abs(),
            "gradient": (weight * gradients[index]).abs(),
            "grasp": weight * hessian_gradients[index],
            "fisher": weight.square() * sum(each[index].square() for each in singles) / 6 / 2,
        }
        for name, values in expected.items():
            _, scores = scored(name, "element", model, shape, given)
            torch.testing.assert_close(scores[index], values.detach().flatten(), rtol=1e-10, atol=1e-14)
    rows = (weights[0] * gradients[0]).detach()
    torch.testing.assert_close(scored("snip", "row", model, shape, given)[1][0], rows.abs().sum(1))
    torch.testing.assert_close(scored("gradient", "row", model, shape, given)[1][0], rows.sum(1).abs())


def test_synflow_is_the_product_along_all_paths():
    model = mlp()
    first, second = (layer.weight.detach().double().abs() for layer in (model[0], model[2]))
    _, scores = scored("synflow", "element", model, (5,))
    expected = first * second.sum(0)[:, None]  # inputs of 1: each weight times all ways from it to the outputs
    torch.testing.assert_close(scores[0], expected.flatten())
    bias = model[0].bias.detach().double().abs()
    torch.testing.assert_close(scores[1], (second * (first.sum(1) + bias)).flatten())


def normalised():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(12, 3)
    ).double()  # fmt: skip


def slopes(function, weight, step=1e-4):
    """The derivative of a function by every element of a weight, by differences alone."""
    found, flat = torch.zeros_like(weight).flatten(), weight.data.view(-1)
    for index, value in enumerate(flat.tolist()):
        at = []
        for moved in (value + step, value - step):
            flat[index] = moved
            at.append(function())
        flat[index] = value
        found[index] = (at[0] - at[1]) / (2 * step)
    return found.detach()


def test_snip_grasp_and_gradient_are_what_differences_of_the_loss_say():
    model, shape = normalised(), (2, 5, 5)
    given = samples(shape, torch.float64)
    ((x, y),) = given.batches
    weights = [model[0].weight, model[3].weight, model[5].weight]

    def loss():
        return F.cross_entropy(model(x), y)

    def flow():  # g·g, whose derivative is 2 H g
        return sum(g.square().sum() for g in torch.autograd.grad(loss(), weights))

    scores = {name: scored(name, "element", model, shape, given)[1] for name in ("snip", "gradient", "grasp")}
    for index, weight in enumerate(weights):
        flat = weight.detach().flatten()
        by_loss, by_flow = flat * slopes(loss, weight), flat * slopes(flow, weight) / 2
        for name, expected in (("snip", by_loss.abs()), ("gradient", by_loss.abs()), ("grasp", by_flow)):
            torch.testing.assert_close(scores[name][index], expected, rtol=1e-5, atol=1e-7)


def test_synflow_is_what_each_weight_of_the_absolute_network_adds():
    model, shape = normalised().eval(), (2, 5, 5)
    absolute = normalised().eval()
    absolute[2] = nn.Identity()  # of Tanh, R is no product of weights
    model[2] = nn.Identity()
    for tensor in (*absolute.parameters(), *absolute.buffers()):
        tensor.data.abs_()
    _, scores = scored("synflow", "element", model, shape)
    ones = torch.ones(1, *shape, dtype=torch.float64)
    for score, at in zip(scores, (0, 3, 5), strict=True):
        weight = absolute[at].weight
        expected = weight.detach().flatten() * slopes(lambda: absolute(ones).sum(), weight)
        torch.testing.assert_close(score, expected, rtol=1e-7, atol=1e-9)


def test_geometric_median_is_the_sum_of_distances():
    model = convolutions().double()
    _, scores = scored("geometric_median", "row", model, (3, 6, 6))
    rows = model[0].weight.detach().flatten(1)
    expected = torch.stack([sum((row - other).square().sum().sqrt() for other in rows) for row in rows])
    torch.testing.assert_close(scores[0], expected, rtol=1e-10, atol=1e-12)


def test_wanda_is_weight_times_norm_of_what_it_meets():
    model, shape = convolutions(), (3, 6, 6)
    given = samples(shape)
    ((x, _),) = given.batches
    _, scores = scored("wanda", "element", model, shape, given)
    columns = F.unfold(x.double(), 3)  # (n, 27, positions)
    norms = columns.square().sum((0, 2)).sqrt()
    expected = model[0].weight.detach().double().abs().flatten(1) * norms
    torch.testing.assert_close(scores[0].double(), expected.flatten(), rtol=1e-5, atol=1e-6)
    inside = F.relu(model[0](x)).detach().double()
    halves = [F.unfold(inside[:, 3 * g : 3 * g + 3], 3).square().sum((0, 2)).sqrt() for g in (0, 1)]
    grouped = model[2].weight.detach().double().abs().flatten(1) * torch.stack([halves[0], halves[0], *halves[1:] * 2])
    torch.testing.assert_close(scores[1].double(), grouped.flatten(), rtol=1e-5, atol=1e-6)
