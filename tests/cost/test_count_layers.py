"""Single layers whose counts can be worked out by hand or by a loop over every multiplication."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from prunus.cost import count_cost


def only_layer(model, inputs, **bits):
    cost = count_cost(model, inputs, **bits)
    assert not cost.not_counted
    assert len(cost.layers) == 1
    return cost.layers[0]


def zeroed(module, share=0.5, seed=0):
    """The module with that share of weights set to zero and the others surely not zero."""
    with torch.no_grad():
        weight = module.weight
        weight.fill_(1.0)
        keep = torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed)) > share
        weight.mul_(keep)
    return module


def macs_by_loop(conv, height, width):
    """(dense, effective) MACs of a convolution, one loop step per multiplication; padding is multiplied too."""
    out_h, out_w = conv(torch.zeros(1, conv.in_channels, height, width)).shape[2:]
    dense = effective = 0
    per_group = conv.out_channels // conv.groups
    for o, _, _ in itertools.product(range(conv.out_channels), range(out_h), range(out_w)):
        group_start = o // per_group * (conv.in_channels // conv.groups)
        for i in range(conv.in_channels // conv.groups):
            assert group_start + i < conv.in_channels
            for kh, kw in itertools.product(*map(range, conv.kernel_size)):
                dense += 1
                effective += int(conv.weight[o, i, kh, kw] != 0)
    return dense, effective


def transposed_macs_by_loop(conv, height, width):
    dense = effective = 0
    for i, _, _ in itertools.product(range(conv.in_channels), range(height), range(width)):
        for o, kh, kw in itertools.product(range(conv.out_channels // conv.groups), *map(range, conv.kernel_size)):
            dense += 1
            effective += int(conv.weight[i, o, kh, kw] != 0)
    return dense, effective


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": 1},
        {"stride": 2, "padding": 1},
        {"dilation": 2},
        {"groups": 2},
        {"groups": 4},
        {"padding": "same"},
        {"padding": 1, "padding_mode": "reflect"},
    ],
    ids=str,
)
def test_convolution_matches_a_loop(settings):
    conv = zeroed(nn.Conv2d(4, 8, 3, **settings))
    layer = only_layer(conv, torch.zeros(3, 4, 7, 6))
    assert (layer.dense_macs, layer.effective_macs) == macs_by_loop(conv, 7, 6)
    assert layer.kind == "conv2d"
    assert layer.units == 8


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"groups": 2, "stride": 2, "padding": 1}], ids=str)
def test_transposed_convolution_matches_a_loop(settings):
    conv = zeroed(nn.ConvTranspose2d(4, 6, 3, **settings))
    layer = only_layer(conv, torch.zeros(2, 4, 5, 4))
    assert (layer.dense_macs, layer.effective_macs) == transposed_macs_by_loop(conv, 5, 4)
    assert (layer.kind, layer.units) == ("conv_transpose2d", 6)


def test_empty_rows_of_a_grouped_transposed_convolution():
    conv = nn.ConvTranspose2d(4, 6, 3, groups=2)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.weight[2:, 1] = 0  # the second group's second output channel: output row 4
        conv.weight[0, 0] = 0  # one of two inputs of output row 0, which therefore is not empty
    assert only_layer(conv, torch.zeros(1, 4, 5, 5)).empty_units == 1


@pytest.mark.parametrize(("dims", "kind"), [(1, "conv1d"), (3, "conv3d")])
def test_convolutions_of_other_dimensions(dims, kind):
    conv = (nn.Conv1d, None, nn.Conv3d)[dims - 1](2, 3, 3, bias=False)
    layer = only_layer(conv, torch.zeros(1, 2, *[5] * dims))
    assert layer.kind == kind
    assert layer.dense_macs == 3**dims * (3 * 2 * 3**dims)


def test_linear_by_hand():
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        linear.weight.fill_(1.0)
        linear.weight[1] = 0
        linear.weight[2, 0] = 0
    layer = only_layer(linear, torch.zeros(4, 5), weight_bits=8, activation_bits=4)
    assert (layer.weights, layer.nonzero_weights, layer.units, layer.empty_units) == (15, 9, 3, 1)
    assert (layer.dense_macs, layer.effective_macs) == (15, 9)
    assert (layer.dense_bops, layer.effective_bops) == (15 * 32, 9 * 32)
    # 32 + 12 + log2(5) = 46.3219 bit operations per MAC
    assert (layer.dense_uniq_bops, layer.effective_uniq_bops) == (695, 417)


def test_linear_over_tokens_uses_its_weights_at_every_token():
    assert only_layer(nn.Linear(5, 3), torch.zeros(2, 7, 5)).dense_macs == 7 * 15


def test_bilinear_is_reported_as_not_counted():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Bilinear(3, 4, 5)

        def forward(self, x):
            return self.mix(x, torch.cat([x, x[:, :1]], 1))

    cost = count_cost(Net(), torch.zeros(2, 3))
    assert cost.not_counted == {"aten._trilinear": 1}
    assert cost.dense_macs == 0


@pytest.mark.parametrize(
    ("product", "shapes", "macs"),
    [
        (lambda a, b: a @ b, ((1, 3, 4), (1, 4, 5)), 60),
        (lambda a, b: torch.einsum("bij,bkj->bik", a, b), ((1, 3, 4), (1, 5, 4)), 60),
        (lambda a, b: torch.baddbmm(torch.zeros(1, 3, 5), a, b), ((1, 3, 4), (1, 4, 5)), 60),
        (lambda a, b: torch.mv(a[0], b[0]), ((1, 3, 4), (1, 4)), 12),
        (lambda a, b: torch.dot(a[0], b[0]), ((1, 4), (1, 4)), 4),
    ],
)
def test_products_of_two_activations_are_dense_and_use_activation_bits_twice(product, shapes, macs):
    class Net(nn.Module):
        forward = staticmethod(product)

    layer = only_layer(Net(), tuple(torch.zeros(shape) for shape in shapes), weight_bits=1, activation_bits=8)
    assert layer.kind == "matmul"
    assert (layer.dense_macs, layer.effective_macs, layer.weights) == (macs, macs, 0)
    assert layer.dense_bops == macs * 64


@pytest.mark.parametrize("causal", [False, True])
def test_scaled_dot_product_attention(causal):
    class Net(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    inputs = torch.zeros(2, 3, 5, 8), torch.zeros(2, 3, 7, 8), torch.zeros(2, 3, 7, 8)
    layer = only_layer(Net(), inputs, activation_bits=16)
    assert layer.kind == "attention"
    assert layer.dense_macs == 2 * 3 * 5 * 7 * 8
    assert layer.dense_bops == layer.dense_macs * 256


def test_attention_with_grouped_queries_counts_the_heads_of_the_queries():
    class Net(nn.Module):
        def forward(self, q, k):
            return F.scaled_dot_product_attention(q, k, k, enable_gqa=True)

    cost = count_cost(Net(), (torch.zeros(1, 6, 5, 8), torch.zeros(1, 2, 7, 8)))
    assert cost.dense_macs == 2 * 6 * 5 * 7 * 8


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(kind, gates):
    model = kind(4, 6, num_layers=2, bidirectional=True, batch_first=True)
    cost = count_cost(model, torch.zeros(2, 5, 4))
    first, second = 2 * gates * 6 * (4 + 6), 2 * gates * 6 * (12 + 6)
    assert cost.dense_macs == 5 * (first + second)
    assert not cost.not_counted
    assert {layer.layer for layer in cost.layers} >= {"weight_ih_l0", "weight_hh_l1_reverse"}


def test_encoder_layer_is_opened_up():
    """A fused kernel exists for it in evaluation mode, in which nothing could be seen."""
    model = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    cost = count_cost(model, torch.zeros(3, 5, 8))
    assert not cost.not_counted
    counts = {layer.layer: layer.dense_macs for layer in cost.layers}
    assert counts == {
        "self_attn.in_proj_weight": 5 * 8 * 24,
        "self_attn": 2 * 5 * 5 * 8,
        "self_attn.out_proj": 5 * 64,
        "linear1": 5 * 128,
        "linear2": 5 * 128,
    }


def test_deformable_convolution():
    from torchvision.ops import DeformConv2d

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.deform = DeformConv2d(2, 4, 3)

        def forward(self, x):
            return self.deform(x, torch.zeros(x.shape[0], 18, 5, 5))

    layer = only_layer(Net(), torch.zeros(1, 2, 7, 7))
    assert (layer.layer, layer.kind, layer.dense_macs) == ("deform", "conv2d", 25 * 72)
