import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import prunus
from prunus.errors import InputError
from prunus.prune import protected_layers, prunable_layers
from prunus.prune.evidence.inputs import input_norms
from prunus.prune.evidence.samples import Samples
from prunus.spec import Recipe


class Tangled(nn.Module):
    """Registered in another order than it runs, with a shared weight and a layer that never runs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(9, 9)
        self.first = nn.Linear(3, 4)
        self.again = nn.Linear(3, 4)
        self.again.weight = self.first.weight
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.head(self.norm(self.first(x) + self.again(x)))


def test_layers_in_the_order_in_which_they_run_and_shared_weights_once():
    layers = prunable_layers(Tangled(), torch.zeros(2, 3))
    assert [(layer.name, layer.weight, layer.output) for layer in layers] == [
        ("first", "first.weight", False),
        ("head", "head.weight", True),
    ]


def test_looking_leaves_the_network_as_it_was():
    model = Tangled().train()
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prunable_layers(model, torch.randn(2, 3))
    assert model.training
    assert not model.norm.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_network_that_is_one_layer():
    layers = prunable_layers(nn.Linear(3, 2), torch.zeros(1, 3))
    assert [(layer.name, layer.weight, layer.output) for layer in layers] == [("", "weight", True)]


@pytest.mark.parametrize(
    ("protect", "expected"),
    [((), set()), (("output",), {"head"}), (("first",), {"first"}), (("f*",), {"first"})],
)
def test_protection_by_name_pattern_and_output(protect, expected):
    assert protected_layers(prunable_layers(Tangled(), torch.zeros(2, 3)), protect) == expected


def test_protecting_what_is_not_there_names_the_nearest():
    layers = prunable_layers(Tangled(), torch.zeros(2, 3))
    with pytest.raises(InputError, match=r"'frist' is not in the network.*'first'"):
        protected_layers(layers, ["frist"])


def test_protecting_everything_is_refused():
    with pytest.raises(InputError, match="nothing left to prune"):
        protected_layers(prunable_layers(Tangled(), torch.zeros(2, 3)), ["*"])


class Attends(nn.Module):
    """Self-attention, and attention to a wider memory, whose projections are apart."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.own = nn.MultiheadAttention(8, 2, batch_first=True)
        self.other = nn.MultiheadAttention(8, 2, kdim=12, vdim=4, bias=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x, keys, values):
        x = self.own(x, x, x, need_weights=False)[0]
        return self.head(self.other(x, key=keys, value=values)[0])


def attended():
    draws = torch.Generator().manual_seed(1)
    return tuple(torch.randn(5, 6, width, generator=draws) for width in (8, 12, 4))


def test_projections_of_attention_are_layers():
    layers = prunable_layers(Attends(), attended())
    assert [(layer.name, layer.weight, layer.module) for layer in layers] == [
        ("own.in_proj_weight", "own.in_proj_weight", "own"),
        ("own.out_proj", "own.out_proj.weight", "own.out_proj"),
        ("other.q_proj_weight", "other.q_proj_weight", "other"),
        ("other.k_proj_weight", "other.k_proj_weight", "other"),
        ("other.v_proj_weight", "other.v_proj_weight", "other"),
        ("other.out_proj", "other.out_proj.weight", "other.out_proj"),
        ("head", "head.weight", "head"),
    ]
    assert protected_layers(layers, ["own"]) == {"own.in_proj_weight", "own.out_proj"}
    assert protected_layers(layers, ["*proj_weight", "output"]) == {layers[i].name for i in (0, 2, 3, 4, 6)}
    alone = nn.MultiheadAttention(8, 2)
    named = prunable_layers(alone, (torch.randn(5, 1, 8),) * 3)
    assert [(layer.name, layer.output) for layer in named] == [("in_proj_weight", False), ("out_proj", True)]


@pytest.mark.parametrize("pattern", ["element", {"name": "nm", "m": 4}, {"name": "block", "rows": 2}, "row"])
@pytest.mark.parametrize("criterion", ["magnitude", "snip", "wanda", "fisher"])
def test_projections_of_attention_are_pruned_and_stay_so(pattern, criterion):
    model, inputs = Attends(), attended()
    recipe = Recipe(name="a", pattern=pattern, criterion=criterion, schedule="every_epoch")
    targets = torch.randn(5, 6, 3)
    pruner = prunus.Pruner(
        model, recipe, inputs, rate=0.5, epochs=4, steps_per_epoch=1, samples=[(inputs, targets)], loss=F.mse_loss
    )
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    for _ in range(4):
        F.mse_loss(model(*inputs), targets).backward()
        optimizer.step()
        pruner.step()
    assert len(pruner.masks()) == 6
    for name, mask in pruner.masks().items():
        assert (model.get_parameter(name)[~mask] == 0).all()
        assert int(mask.sum()) == mask.numel() // 2


def test_protected_attention_keeps_its_heads():
    recipe = Recipe(name="a", pattern="channel", schedule="at_init", protect=["output", "own"])
    pruner = prunus.Pruner(Attends(), recipe, attended(), rate=0.5)
    assert [one.name for one in pruner.scope.unit_sets]
    assert not any(name.startswith("own.in") for name in pruner.masks())


def test_wanda_sees_what_projections_are_multiplied_with():
    model, (x, keys, values) = Attends().double().eval(), tuple(one.double() for one in attended())
    names = [name for name, parameter in model.named_parameters() if parameter.dim() == 2]
    found = input_norms(copy.deepcopy(model), names, Samples((((x, keys, values), None),)))
    own, other = model.own, model.other
    torch.testing.assert_close(found["own.in_proj_weight"], norms(x).expand(24, 8))
    q, k, v = F.linear(x, own.in_proj_weight, own.in_proj_bias).chunk(3, -1)
    heads = attend(*(one.unflatten(-1, (2, 4)).transpose(1, 2) for one in (q, k, v)))
    context = heads.transpose(1, 2).flatten(2)
    torch.testing.assert_close(found["own.out_proj.weight"], norms(context).expand(8, 8))
    after = F.linear(context, own.out_proj.weight, own.out_proj.bias)
    for name, given in (("q", after), ("k", keys), ("v", values)):
        torch.testing.assert_close(found[f"other.{name}_proj_weight"], norms(given).expand(8, -1))
    last = other(after, keys, values)[0]
    inside = torch.linalg.solve(other.out_proj.weight.T, last, left=False)  # it has no bias
    torch.testing.assert_close(found["other.out_proj.weight"], norms(inside).expand(8, 8))
    torch.testing.assert_close(found["head.weight"], norms(last).expand(3, 8))


def attend(query, key, value):
    return (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1) @ value


def norms(values):
    return values.detach().square().sum((0, 1)).sqrt()


def test_the_output_layer_of_a_network_that_has_no_other_is_pruned():
    layers = prunable_layers(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.zeros(2, 2, 2))
    assert protected_layers(layers, ["output"]) == frozenset()
    with pytest.raises(InputError, match="Every layer is protected"):
        protected_layers(layers, ["output", "1"])
