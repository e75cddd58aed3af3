"""Rates and bits, chosen for a share of the bit operations."""

from itertools import product

import pytest
import torch
from torch import nn

import prunus
from prunus.errors import PrunusError
from prunus.prune import PATTERNS, prunable_layers
from prunus.prune.knapsack import choose
from prunus.quantization import precisions_asked, quantized_layers
from prunus.reconstruct import choices
from prunus.reconstruct.choices import choose_rates_and_bits
from prunus.spec import Part, bits_of, make

INPUTS = [
    nn.functional.avg_pool2d(torch.randn(16, 4, 8, 8, generator=torch.Generator().manual_seed(i)), 3, 1, 1)
    for i in range(3)
]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4),
    ).eval()  # fmt: skip


def share_left(found, network):
    """Of the bit operations, counted by hand: MACs with a weight that is not zero, times both bits."""
    left = total = 0
    for layer in prunus.count_cost(network, INPUTS[0]).layers:
        one = quantized_layers(found.model).get(layer.layer)
        bits = (one.weight_bits, one.activation_bits) if one else (32, 32)
        weight = found.model.get_submodule(layer.layer).weight
        left += layer.dense_macs * float((weight != 0).float().mean()) * bits[0] * bits[1]
        total += layer.dense_macs * 32 * 32
    return left / total


@pytest.mark.parametrize("bops", [0.05, 0.02, 0.01])
def test_a_share_of_the_bit_operations_is_reached_by_both(network, bops):
    found = prunus.reconstruct(network, INPUTS, bits=(2, 4, 8), bops=bops)
    assert found.bops == pytest.approx(share_left(found, network), rel=0.01)
    assert 0.7 * bops < found.bops <= bops * 1.001
    rows = {row.layer: row for row in found.layers}
    assert (rows["12"].gone, rows["12"].bits, rows["12"].activation_bits) == (0, 8, 8)  # the output layer is protected
    assert rows["0"].bits == 8  # the first layer has as many
    assert all(row.error <= row.magnitude_error for row in found.layers)


def test_by_bits_alone_and_by_rates_alone(network):
    bits = prunus.reconstruct(network, INPUTS, 0, bits=(2, 4, 8), bops=0.04)
    assert max(row.gone for row in bits.layers if row.bits == 8) <= 8  # rounded to zero, none removed
    assert len({row.bits for row in bits.layers}) > 1
    rates = prunus.reconstruct(network, INPUTS, bits=8, bops=0.03)
    assert {row.bits for row in rates.layers} == {8}
    assert len({round(row.gone / row.weights, 1) for row in rates.layers}) > 1
    floats = prunus.reconstruct(network, INPUTS, bops=0.5)
    assert 0.3 < floats.bops <= 0.5
    assert not quantized_layers(floats.model)
    assert all(found.bops <= bops * 1.001 for found, bops in ((bits, 0.04), (rates, 0.03)))


def chosen(network, bits, rates, share):
    layers = prunable_layers(network, INPUTS[0])
    sets = make(PATTERNS, Part(name="element")).unit_sets(network, INPUTS[0], layers, frozenset(["12"]))
    offered = [precisions_asked(network, layers, bits_of(one)) for one in bits]
    return choose_rates_and_bits(network, INPUTS, layers, sets, rates, offered, bits_of(8), share)


def test_no_other_mix_within_the_share_loses_less(network, monkeypatch):
    tables = []
    monkeypatch.setattr(choices, "choose", lambda *table: tables.append(table) or choose(*table))
    found = chosen(network, (4, 8), (0.5,), 0.03)
    losses, costs, budget = tables[0]
    sums = [
        (sum(own[place] for own, place in zip(losses, mix, strict=True)), mix)
        for mix in product(*(range(len(own)) for own in losses))
        if sum(own[place] for own, place in zip(costs, mix, strict=True)) <= budget
    ]
    best = dict(zip(("0", "3", "6", "10", "12"), min(sums)[1], strict=True))
    table = [(0, 4), (0, 8), (1, 4), (1, 8)]  # as the choices of a layer that has all of them are ordered
    for name in ("3", "6", "10"):
        gone, width = table[best[name]]
        assert found.precisions[name] == (width, width)
        assert (found.counts[name] > 0) == bool(gone)


def test_losses_rise_with_rates_and_fall_with_bits(network, monkeypatch):
    seen, plain = [], choices._choices
    monkeypatch.setattr(choices, "_choices", lambda *given: seen.append(list(plain(*given))) or seen[-1])
    chosen(network, (2, 4, 8), (0.5, 0.8), 0.5)
    for own in seen[1:4]:
        by_count = {(one.count, one.precision[0]): one.loss for one in own}
        counts = sorted({count for count, _ in by_count})
        assert len(counts) == 3
        for count in counts:
            assert by_count[count, 2] > by_count[count, 4] > by_count[count, 8] > 0
        for width in (4, 8):
            assert by_count[counts[0], width] < by_count[counts[1], width] < by_count[counts[2], width]


def test_the_network_is_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    chosen(network, (4, 8), (0.5,), 0.03)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not quantized_layers(network)


def test_of_n_of_m_a_layer_has_all_or_none(network):
    with_two = {"name": "nm", "n": 2, "m": 4}
    found = prunus.reconstruct(network, INPUTS, pattern=with_two, bits=(4, 8), bops=0.02)
    for row in found.layers:
        if row.gone > 0.3 * row.weights:
            weight = found.model.get_submodule(row.layer).weight
            assert ((weight.movedim(1, -1).reshape(-1, 4) != 0).sum(1) <= 2).all()


def test_what_a_target_cannot_reach_is_said_with_what_it_can(network):
    with pytest.raises(PrunusError, match=r"bops = 0.001 cannot be reached.*Ask for bops = (0\.\d+)") as raised:
        prunus.reconstruct(network, INPUTS, 0, bits=(4, 8), bops=0.001)
    least = float(str(raised.value).split("Ask for bops = ")[1].split(",")[0])
    assert 0.9 * least < prunus.reconstruct(network, INPUTS, 0, bits=(4, 8), bops=least).bops <= least


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": (4, 8)}, r"which bits each layer gets. 2 are offered"),
        ({"bits": (1, 8), "bops": 0.1}, r"2 to 8|from 2"),
        ({"bits": [], "bops": 0.1}, r"bits \[\] cannot be used"),
        ({"bits": "8", "bops": 0.1}, "bits '8' cannot be used"),
        ({"bits": [8, {"ranges": "min-max"}], "bops": 0.1}, "differ in `when`, `ranges`"),
        ({"bits": 8, "bops": 0}, "bops = 0 cannot be used"),
        ({"bits": 8, "bops": 1.5}, "bops = 1.5 cannot be used"),
        ({"bits": 8, "bops": 0.1, "rate": 0.5}, "Both bops and a rate"),
        ({"bops": 0.1, "allocation": {"name": "uniform", "macs": 0.5}}, "Both bops and a target"),
    ],
)
def test_what_cannot_be_done_is_said(network, arguments, message):
    with pytest.raises(PrunusError, match=message):
        prunus.reconstruct(network, INPUTS, **arguments)
