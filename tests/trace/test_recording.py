"""Watching a model run without values tells what torch.export tells; where it does not, torch.export is used."""

import re
from dataclasses import replace

import pytest
import torch
from tests.channels.odd_networks import NETWORKS
from torch import nn
from torch.utils import _pytree as pytree

from prunus.channels.mask import tensors_of
from prunus.channels.network import GraphNetwork
from prunus.coupling import channel_groups, couple
from prunus.errors import InputError
from prunus.system.quiet import quiet
from prunus.trace.exporting import export
from prunus.trace.recording import record
from prunus.trace.shapes import NeedsValuesError
from prunus.trace.trace import as_call, trace

ONLY_EXPORTED = {"spectral_norm"}  # has an operation without a rule, which torch takes apart


@pytest.fixture(params=sorted(NETWORKS))
def odd(request):
    """Name, network and the arguments of its call."""
    torch.manual_seed(0)
    model, inputs = NETWORKS[request.param]()
    return request.param, model.eval(), as_call(inputs)


def test_it_sees_the_groups_that_torch_export_sees(odd):
    name, model, (args, kwargs) = odd
    if name in ONLY_EXPORTED:
        with pytest.raises(NeedsValuesError), quiet():
            record(model, args, kwargs, False, "")
        return
    with quiet():
        recorded = record(model, args, kwargs, False, "")
        exported = export(model, args, kwargs, False, "", (), False)
    assert _groups(recorded) == _groups(exported)
    assert recorded.interface.signature == exported.interface.signature
    assert recorded.interface.fixed() == exported.interface.fixed()
    assert recorded.output_structure == exported.output_structure


def _groups(graph):
    """The groups; reasons without the names of nodes, which are each one's own."""
    return [
        replace(group, protected=re.sub(r" \(node [^)]*\)", "", group.protected or ""))
        for group in channel_groups(couple((graph,)))
    ]


def test_what_it_wrote_down_computes_what_the_model_computes(odd):
    _, model, (args, kwargs) = odd
    graph = trace(model, kwargs or args)
    with torch.no_grad():
        expected = pytree.tree_leaves(model(*args, **kwargs))
        found = pytree.tree_leaves(GraphNetwork(graph, tensors_of(model, graph)).eval()(*args, **kwargs))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


class Chain(nn.Module):
    def __init__(self, between):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)
        self.between = between
        self.table = [torch.arange(6.0)]  # a tensor that no module's table holds
        self.scale = torch.full((6,), 2.0)

    def forward(self, x):
        return self.b(self.between(self, self.a(x)))


UNTOLD = {
    "tolist": lambda _, y: y * y.sum(1).tolist()[0],
    "item": lambda _, y: y * y.sum().item(),
    "numpy": lambda _, y: y + float(y.detach().numpy().sum()),
    "branch": lambda _, y: y if y.sum() > 0 else -y,
    "written in place": lambda _, y: _filled(y),
    "drawn": lambda _, y: y if torch.rand(1) < 2 else -y,
    "elsewhere": lambda self, y: y + self.table[0],
    "autocast": lambda _, y: _halved(y),
    "no rule": lambda _, y: torch.rad2deg(y),
}


def _filled(y):
    ones = torch.zeros(6)
    ones[:3].fill_(1.0)
    return y if ones.sum() > 1 else -y


def test_what_is_written_in_the_forward_may_decide():
    def between(_, y):
        places = torch.arange(y.shape[1], device=y.device) + torch.tensor(2)
        return y if places[:-1].gt(5).any() and places.sum().item() == 27 else -y

    model, x = Chain(between).eval(), torch.randn(3, 4)
    nodes = record(model, (x,), {}, False, "").nodes
    assert [node.kind for node in nodes if node.kind != "detach"] == ["linear", "linear"]  # and not negated


def _halved(y):
    with torch.autocast("cpu", torch.bfloat16):
        return (y @ torch.eye(6)).float()


@pytest.mark.parametrize("name", UNTOLD)
def test_what_shapes_do_not_tell_is_left_to_torch_export(name):
    model, x = Chain(UNTOLD[name]).eval(), torch.randn(3, 4)
    with pytest.raises((NeedsValuesError, RuntimeError, NotImplementedError, TypeError)):
        record(model, (x,), {}, False, "")
    if name not in ("numpy", "branch", "written in place", "drawn"):
        assert trace(model, x).nodes
    else:
        with pytest.raises(InputError, match="can't be traced"):
            trace(model, x)


def test_a_tensor_from_elsewhere_is_named_as_the_reason():
    with pytest.raises(NeedsValuesError, match="elsewhere"):
        record(Chain(UNTOLD["elsewhere"]), (torch.randn(3, 4),), {}, False, "")


def test_tensors_of_the_forward_keep_their_values_and_the_device_is_that_of_the_model():
    def between(self, y):
        return y * self.scale + torch.tensor([0.5] * 6) + torch.zeros(6, device=y.device)

    model, x = Chain(between).eval(), torch.randn(3, 4)
    graph = record(model, (x,), {}, False, "")
    assert {name: value.tolist() for name, value in graph.tensors.values.items()} == {
        "scale": [2.0] * 6,
        "lifted_tensor_1": [0.5] * 6,
    }
    assert [node.kwargs["device"] for node in graph.nodes if "device" in node.kwargs] == [torch.device("cpu")]
    assert torch.equal(GraphNetwork(graph, tensors_of(model, graph))(x), model(x))


def test_the_model_is_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))
    model(torch.randn(2, 3, 8, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace(model, torch.randn(2, 3, 8, 8), train=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model[0].weight.is_meta
    assert not model._forward_hooks


def test_names_of_nodes_are_their_own():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.ParameterDict({"b": torch.ones(2), "b_1": torch.ones(2)})
            self.a_b = nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x * self.a["b"] + self.a["b_1"] + self.a_b

    model = Named()
    graph = record(model, (torch.randn(3, 2),), {}, False, "")
    assert sorted(graph.tensors.parameters.values()) == ["a.b", "a.b_1", "a_b"]
    assert len(graph.tensors.parameters) == 3


def test_operations_without_a_rule_are_written_down_as_what_they_are_made_of():
    def between(_, y):
        across, down = torch.meshgrid(torch.arange(3.0), torch.arange(6.0), indexing="ij")
        return torch.hstack([y[:, :3], y[:, 3:]]) + torch.tril(across + down)

    graph = record(Chain(between).eval(), (torch.randn(3, 4),), {}, False, "")
    assert {"cat", "view", "expand", "tril"} < {node.kind for node in graph.nodes}
    group = next(group for group in channel_groups(couple((graph,))) if group.name == "a")
    assert group.protected is not None  # the numbers of the triangle


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(5), nn.LayerNorm(5)])
def test_norms_of_the_wrong_size_are_the_users_mistake(norm):
    with pytest.raises(InputError, match="does not run on the example inputs"):
        trace(nn.Sequential(nn.Linear(4, 6), norm, nn.Flatten()), torch.randn(3, 4))


def test_tracing_draws_no_random_numbers():
    model, x = Chain(lambda _, y: y + 0 * torch.randn(6)).eval(), torch.randn(3, 4)
    before = torch.get_rng_state()
    assert any(node.kind == "randn" for node in record(model, (x,), {}, False, "").nodes)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_write_into_another_argument_is_not_overlooked():
    def between(_, y):
        table = torch.zeros(3, 6)
        torch.add(y, 1.0, out=table[:, :6])
        return table

    with pytest.raises(NeedsValuesError, match="writes into another argument"):
        record(Chain(between).eval(), (torch.randn(3, 4),), {}, False, "")
