"""What is in a model is looked up anew each time, but once where nobody changes it."""

import torch
from torch import nn

from prunus.trace.inventory import changing, held_tensors, modules_of, paths_of, unchanged


def test_modules_and_tensors_by_name():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3)))
    model.add_module("again", model[0])
    model[1].table = torch.ones(2)
    assert paths_of(model) == [("", model), ("0", model[0]), ("1", model[1]), ("1.0", model[1][0])]
    names = {*model.state_dict(), "1.table"}
    assert held_tensors(model).keys() == names
    assert held_tensors(model)["again.weight"] is model[0].weight


def test_it_is_looked_up_once_where_nobody_changes_it():
    model, other = nn.Sequential(nn.Linear(2, 3)), nn.Linear(2, 3)
    with unchanged(model):
        known = held_tensors(model)
        with unchanged(model):
            assert held_tensors(model) is known
            assert modules_of(model) is modules_of(model)
        assert held_tensors(model) is known
        with changing():
            assert held_tensors(model) is not known
        assert held_tensors(other) is not held_tensors(other)
    model[0] = nn.Linear(2, 4)
    assert held_tensors(model)["0.weight"].shape == (4, 2)
