"""Tensors of a layer that take over labels end up with those that they would be joined with."""

import pytest
import torch
from tests.surgery.odd_networks import NETWORKS
from torch import nn

from prunus.graph import channel_groups, taking, trace, wire, wire_model


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_groups_are_those_that_joining_makes(name, monkeypatch):
    torch.manual_seed(0)
    model, inputs = NETWORKS[name]()
    graph = trace(model.eval(), inputs)
    found = channel_groups(wire((graph,)))
    monkeypatch.setattr(taking, "LAYERS", {})
    assert found == channel_groups(wire((graph,)))


def test_tensors_of_a_layer_have_the_labels_of_what_they_meet():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(2), nn.Linear(4, 5)
    )
    tensors = wire_model(model.eval(), torch.randn(2, 3, 6, 6)).tensors
    made = tensors["0.weight"][0].labels
    met = [("0.bias", 0), *((f"1.{name}", 0) for name in ("weight", "bias", "running_mean", "running_var"))]
    for name, dim in [*met, ("2.weight", 0), ("2.bias", 0)]:
        assert tensors[name][dim].labels is made
    assert tensors["4.bias"][0].labels is tensors["4.weight"][0].labels
    assert all(tensors["0.weight"][dim].is_kept for dim in (2, 3))


def test_what_meets_the_input_of_the_model_stays():
    model = nn.Linear(4, 5)
    wiring = wire_model(model, torch.randn(2, 4))
    assert wiring.labels.pinned(int(wiring.tensors["weight"][1].labels[0]))
