import pytest
import torch
from torch import nn

from prunus.errors import InputError
from prunus.prune import protected_layers, prunable_layers


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
