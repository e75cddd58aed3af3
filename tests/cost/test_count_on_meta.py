"""What is counted without values is what is counted in a real run, and takes no real run where it can be had."""

import pytest
import torch
from tests.channels.odd_networks import NETWORKS
from torch import nn
from torch.nn.utils import prune

from prunus.cost import count_cost, run

COMPUTED = {"weight_norm", "spectral_norm", "weight_std", "moe_soft"}  # their weights have values in a real run only
BY_DEVICE = {"lstm"}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_counting_without_values_is_counting(name, monkeypatch):
    torch.manual_seed(0)
    model, inputs = NETWORKS[name]()
    monkeypatch.setattr(run, "SMALL_PARAMETERS", 0)
    on_meta, tried = count_cost(model, inputs), run._on_meta(model, run.first_of_batch(inputs))
    monkeypatch.setattr(run, "_on_meta", lambda *_: None)
    assert count_cost(model, inputs) == on_meta
    assert (tried is None) == (name in COMPUTED | BY_DEVICE)


def test_zeros_are_counted_where_they_are_read_through_views(monkeypatch):
    monkeypatch.setattr(run, "SMALL_PARAMETERS", 0)

    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 8))
            self.late = nn.Parameter(torch.ones(10)[2:8])  # does not begin where its memory begins

        def forward(self, x):
            return (x @ self.weight[:3].T) @ self.late[:3, None]

    model = Views()
    with torch.no_grad():
        model.weight[1, :5] = 0
        model.late[2] = 0
    monkeypatch.setattr(run, "_real", None)  # would fail
    cost = count_cost(model, torch.randn(2, 8))
    assert [(layer.weights, layer.nonzero_weights) for layer in cost.layers] == [(24, 19), (3, 2)]


def test_weights_that_are_masked_on_the_way_are_counted_as_they_are_used(monkeypatch):
    monkeypatch.setattr(run, "SMALL_PARAMETERS", 0)
    layer = prune.l1_unstructured(nn.Linear(8, 4), "weight", amount=0.5)
    assert count_cost(layer, torch.randn(1, 8)).layers[0].nonzero_weights == 16
