"""Which weight an operation carries: through views, sharing, masks and reparametrisations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from prunus.cost import count_cost


def half_zero(parameter):
    """Ones, with every second element zero."""
    with torch.no_grad():
        parameter.fill_(1.0)
        parameter.view(-1)[1::2] = 0


class Functional(nn.Module):
    def __init__(self, use):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(4, 6))
        half_zero(self.kernel)
        self.use = use

    def forward(self, x):
        return self.use(self.kernel, x)


@pytest.mark.parametrize(
    "use",
    [
        lambda w, x: F.linear(x, w),
        lambda w, x: x @ w.t(),
        lambda w, x: (w @ x.t()).t(),
        lambda w, x: x @ w.t().contiguous(),
        lambda w, x: x @ w.view(2, 2, 6).flatten(0, 1).t(),
        lambda w, x: torch.einsum("bi,oi->bo", x, w),
        lambda w, x: F.conv2d(x[:, :, None, None], w[:, :, None, None]),
        lambda w, x: F.linear(x, w * 2.0),
        lambda w, x: x[:, None] @ w.t().expand(x.shape[0], 6, 4),
    ],
)
def test_a_parameter_is_known_however_it_is_used(use):
    cost = count_cost(Functional(use), torch.ones(1, 6))
    (layer,) = cost.layers
    assert layer.layer == "kernel"
    assert (layer.weights, layer.nonzero_weights, layer.units) == (24, 12, 4)
    assert (layer.dense_macs, layer.effective_macs) == (24, 12)
    assert (cost.prunable_weights, cost.nonzero_weights, cost.nonzero_parameters) == (24, 12, 12)


def test_a_shared_weight_counts_its_macs_twice_and_its_elements_once():
    block = nn.Linear(5, 5, bias=False)
    half_zero(block.weight)
    cost = count_cost(nn.Sequential(block, nn.ReLU(), block), torch.zeros(1, 5))
    assert (cost.dense_macs, cost.effective_macs) == (50, 26)
    assert (cost.parameters, cost.prunable_weights, cost.nonzero_weights) == (25, 25, 13)


def test_tied_layers_are_two_rows_with_one_weight():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, tokens):
            return self.head(self.embedding(tokens))

    cost = count_cost(Tied(), torch.zeros(2, 3, dtype=torch.long))
    assert [(layer.layer, layer.dense_macs) for layer in cost.layers] == [("head", 120)]
    assert cost.parameters == 40


def test_parts_of_a_weight_add_up():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)

    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x, y):
            return self.attention(x, y, y, need_weights=False)[0]

    cost = count_cost(Cross(), (torch.zeros(1, 5, 8), torch.zeros(1, 7, 8)))
    projection = next(layer for layer in cost.layers if layer.layer == "attention.in_proj_weight")
    assert (projection.weights, projection.units) == (192, 24)
    assert projection.dense_macs == 5 * 64 + 7 * 128


def test_masks_of_torch_prune_are_seen():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3))
    for layer, share in ((model[0], 0.5), (model[2], 0.75)):
        nn.init.ones_(layer.weight)
        prune.random_unstructured(layer, "weight", share)
    model(torch.zeros(1, 1, 8, 8))
    cost = count_cost(model, torch.zeros(1, 1, 8, 8))
    assert [(layer.layer, layer.weights, layer.nonzero_weights) for layer in cost.layers] == [
        ("0", 36, 18),
        ("2", 432, 108),
    ]
    assert cost.nonzero_weights == 126
    assert cost.effective_macs == 36 * 18 + 108


def test_reparametrised_weights_are_seen():
    linear = parametrizations.weight_norm(nn.Linear(4, 3))
    with torch.no_grad():
        linear.parametrizations.weight.original1[0] = 0
        linear.parametrizations.weight.original1[1:] = 1
        linear.parametrizations.weight.original0.fill_(0.0)
        linear.parametrizations.weight.original0[1:] = 1
    (layer,) = count_cost(nn.Sequential(linear), torch.zeros(1, 4)).layers
    assert (layer.layer, layer.weights) == ("0", 12)
    assert layer.effective_macs <= layer.dense_macs == 12


def test_a_fixed_filter_has_zeros_but_is_not_prunable():
    class Edges(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("sobel", torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])[None, None])

        def forward(self, x):
            return F.conv2d(x, self.sobel)

    cost = count_cost(Edges(), torch.zeros(1, 1, 5, 5))
    (layer,) = cost.layers
    assert (layer.layer, layer.effective_macs, cost.prunable_weights) == ("sobel", 54, 0)


def test_a_batch_of_one_is_what_is_counted():
    """Also where part of the work does not grow with the batch."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.ones(6, 4))
            self.mix = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return x @ self.mix(self.table).t()

    counts = {count_cost(Net(), torch.ones(batch, 4)).dense_macs for batch in (1, 2, 7)}
    assert counts == {6 * 16 + 24}


def test_ratios_against_the_unpruned_network():
    unpruned, pruned = nn.Linear(8, 4, bias=False), nn.Linear(8, 4, bias=False)
    nn.init.ones_(unpruned.weight)
    half_zero(pruned.weight)
    before, after = (count_cost(model, torch.zeros(1, 8)) for model in (unpruned, pruned))
    assert after.compression_ratio(before) == 2
    assert after.theoretical_speedup(before) == 2
