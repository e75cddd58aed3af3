from itertools import pairwise

import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from prunus.cost import bops, count_cost, uniq_bops

sizes = st.integers(1, 5)


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    kind = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
    kernel, stride, padding = draw(sizes), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    conv = kind(draw(sizes) * groups, draw(sizes) * groups, kernel, stride, padding, groups=groups)
    nn.init.ones_(conv.weight)
    return conv, draw(st.integers(5, 9)), draw(st.integers(0, 2**31))


@settings(deadline=None, max_examples=60)
@given(convolutions(), st.floats(0, 1))
def test_effective_is_at_most_dense_and_exact(case, share):
    conv, size, seed = case
    inputs = torch.zeros(1, conv.in_channels, size, size)
    full = count_cost(conv, inputs)
    assert full.effective_macs == full.dense_macs > 0
    with torch.no_grad():
        conv.weight.mul_(torch.rand(conv.weight.shape, generator=torch.Generator().manual_seed(seed)) >= share)
    cost = count_cost(conv, inputs)
    assert cost.dense_macs == full.dense_macs
    assert cost.effective_macs * conv.weight.numel() == cost.dense_macs * int(conv.weight.count_nonzero())
    assert cost.layers[0].units == conv.out_channels
    assert (cost.effective_macs == 0) == (cost.layers[0].empty_units == conv.out_channels)


@settings(deadline=None, max_examples=40)
@given(st.lists(sizes, min_size=2, max_size=5), st.integers(1, 32), st.integers(1, 32), st.integers(1, 4))
def test_totals_are_sums_of_layers(widths, weight_bits, activation_bits, batch):
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))
    cost = count_cost(model, torch.zeros(batch, widths[0]), weight_bits=weight_bits, activation_bits=activation_bits)
    macs = [a * b for a, b in pairwise(widths)]
    assert [layer.dense_macs for layer in cost.layers] == macs
    assert cost.dense_bops == bops(sum(macs), weight_bits, activation_bits)
    assert cost.prunable_weights == sum(macs)
    assert cost.parameters == sum(macs) + sum(widths[1:])
    assert cost.dense_uniq_bops == sum(
        uniq_bops(n, weight_bits, activation_bits, width) for n, width in zip(macs, widths, strict=False)
    )


@settings(deadline=None, max_examples=40)
@given(sizes, sizes, st.data())
def test_removing_an_empty_row_changes_dense_macs_only(rows, columns, data):
    keep = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows).filter(any))
    masked = nn.Linear(columns, rows, bias=False)
    nn.init.ones_(masked.weight)
    with torch.no_grad():
        masked.weight[~torch.tensor(keep)] = 0
    cut = nn.Linear(columns, sum(keep), bias=False)
    with torch.no_grad():
        cut.weight.copy_(masked.weight[torch.tensor(keep)])
    before, after = (count_cost(model, torch.zeros(1, columns)) for model in (masked, cut))
    assert before.effective_macs == after.effective_macs == after.dense_macs
    assert before.layers[0].empty_units == rows - sum(keep)
