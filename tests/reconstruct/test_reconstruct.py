import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

import prunus
from prunus.errors import PrunusError
from prunus.reconstruct.least_change import DAMPING, as_columns, change, damped, hessians, reconstructed, solved
from prunus.spec import Part


def lowest(saliency, count):
    gone = torch.zeros(saliency.numel(), dtype=torch.bool)
    gone[saliency.flatten().argsort(stable=True)[:count]] = True
    return gone.reshape(saliency.shape)


@pytest.fixture
def layer():
    torch.manual_seed(0)
    inputs = torch.randn(40, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    return torch.randn(1, 3, 6, dtype=torch.float64), (inputs.T @ inputs / 40)[None]


def test_one_removed_weight_is_the_closed_form(layer):
    weight, hessian = layer
    inverse = torch.linalg.inv(damped(hessian))[0]
    saliency = weight[0].square() / (2 * inverse.diagonal())
    row, column = divmod(int(saliency.argmin()), 6)
    expected = weight[0].clone()
    expected[row] -= weight[0, row, column] / inverse[column, column] * inverse[:, column]
    expected[row, column] = 0
    found = reconstructed(weight, hessian, 1, lowest, steps=1)[0]
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)
    assert found[row, column] == 0


def test_the_rest_is_the_least_squares_solution(layer):
    weight, hessian = layer
    safe = damped(hessian)
    gone = lowest(weight.abs(), 8)
    found = solved(weight, safe, gone, weight.masked_fill(gone, 0), iterations=30)[0]
    for row in range(3):
        stay = ~gone[0, row]
        expected = torch.linalg.solve(safe[0][stay][:, stay], (safe[0] @ weight[0, row])[stay])
        torch.testing.assert_close(found[row, stay], expected, rtol=1e-7, atol=1e-8)
        assert (found[row, ~stay] == 0).all()


def test_damping_is_a_share_of_the_mean_and_unused_inputs_are_harmless():
    hessian = torch.diag(torch.tensor([2.0, 4.0], dtype=torch.float64))[None]
    assert damped(hessian)[0].diagonal().tolist() == pytest.approx([2 + 3 * DAMPING, 4 + 3 * DAMPING])
    weight = torch.ones(1, 1, 2, dtype=torch.float64)
    assert reconstructed(weight, torch.zeros_like(hessian), 1, lowest).isfinite().all()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 4),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, (3, 2), stride=2, dilation=2, padding=2, groups=2),
        nn.Conv2d(4, 4, 3, groups=4, padding="same", padding_mode="reflect"),
        nn.Conv1d(4, 6, 3, stride=2, padding=1),
    ],
)
def test_columns_times_rows_are_the_layers_outputs(layer):
    torch.manual_seed(0)
    shapes = {nn.Linear: (5, 6), nn.Conv2d: (5, 4, 7, 8), nn.Conv1d: (5, 4, 9)}
    inputs = torch.randn(shapes[type(layer)])
    layer.bias.data.zero_()
    columns = as_columns(layer, inputs)
    groups = columns.shape[0]
    rows = layer.weight.reshape(groups, layer.weight.shape[0] // groups, -1) @ columns
    outputs = layer(inputs)
    expected = outputs.transpose(0, 1) if outputs.dim() > 2 else outputs.T
    torch.testing.assert_close(rows.reshape(expected.shape), expected.contiguous(), rtol=1e-4, atol=1e-5)
    (hessian,) = hessians(layer, [layer], [inputs])
    torch.testing.assert_close(hessian, (columns @ columns.mT).double() / columns.shape[-1], rtol=1e-4, atol=1e-5)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip


INPUTS = [torch.randn(16, 4, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(4)]


@pytest.mark.parametrize("pattern", ["element", Part(name="nm", settings={"m": 4})])
@pytest.mark.parametrize("rate", [0.0, 0.5, 0.75])
def test_every_layer_is_better_than_magnitude_and_the_count_exact(network, pattern, rate):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = prunus.reconstruct(network, INPUTS, rate, pattern=pattern)
    assert [row.layer for row in found.layers] == ["0", "3", "8"]
    for row in found.layers:
        assert row.gone == round(rate * row.weights)
        assert row.error <= row.magnitude_error
        assert rate == 0 or row.layer == "0" or row.error < 0.9 * row.magnitude_error  # white noise has no redundancy
    if pattern != "element" and rate:
        kept = (found.model[0].weight.movedim(1, -1).reshape(-1, 4) != 0).sum(1)
        assert (kept == round(4 * (1 - rate))).all()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert found.model.training
    assert list(found.model.state_dict()) == list(before)


@given(
    st.integers(1, 5),
    st.integers(2, 9),
    st.integers(1, 12),
    st.floats(0, 0.95),
    st.sampled_from(["random", "alike", "constant", "dead", "few", "huge"]),
    st.integers(0, 99),
)
def test_no_layer_is_worse_than_by_magnitude_whatever_it_is_given(outputs, width, batch, rate, kind, seed):
    torch.manual_seed(seed)
    layer, x = nn.Linear(width, outputs), torch.randn(batch, width)
    x = {
        "random": x,
        "alike": x[:, :1].expand(batch, width) + 1e-4 * x,  # all inputs nearly the same
        "constant": torch.ones(batch, width),
        "dead": x * (torch.arange(width) % 2),  # half of the inputs are never anything but 0
        "few": x[:1].expand(batch, width),
        "huge": x * 10.0 ** torch.arange(width),
    }[kind]
    found = prunus.reconstruct(layer, [x], rate, protect=[])
    (row,) = found.layers
    after = found.model.weight.detach()
    assert int((after == 0).sum()) >= min(round(rate * layer.weight.numel()), layer.weight.numel() - 1)
    plain = layer.weight.detach().masked_fill(lowest(layer.weight.detach().abs(), row.gone), 0)
    by_surgeon, by_magnitude = (
        (x.double() @ (layer.weight.detach() - one).double().T).square().mean() for one in (after, plain)
    )
    assert (
        by_surgeon <= by_magnitude * (1 + 1e-3) + 1e-9 * (x.double() @ layer.weight.detach().double().T).square().mean()
    )


def test_outputs_change_less_than_by_magnitude(network):
    prunus.recalibrate(network, INPUTS)
    network.eval()
    with torch.no_grad():
        expected = network(INPUTS[0])
        by_surgeon = prunus.reconstruct(network, INPUTS, 0.6).model(INPUTS[0])
        for layer in (network[0], network[3], network[8]):
            layer.weight.masked_fill_(lowest(layer.weight.abs(), round(0.6 * layer.weight.numel())), 0)
        prunus.recalibrate(network, INPUTS)
        by_magnitude = network(INPUTS[0])
    assert (by_surgeon - expected).square().mean() < 0.5 * (by_magnitude - expected).square().mean()


def test_the_projections_of_attention_stay_as_they_are():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = prunus.reconstruct(encoder, [torch.randn(16, 5, 8)], 0.5, protect=[])
    assert [row.layer for row in found.layers] == ["linear1", "linear2"]
    assert (found.model.self_attn.in_proj_weight != 0).all()
    assert int((found.model.linear1.weight == 0).sum()) == 64


def test_change_is_the_mean_squared_difference_of_outputs():
    inputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    hessian = (inputs.T @ inputs / 2)[None]
    before, after = torch.tensor([[[1.0, 1.0]]]).double(), torch.tensor([[[1.0, 0.0]]]).double()
    assert change(hessian, before, after) == (2**2 + 4**2) / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.0}, "rate 1.0 cannot be used"),
        ({"pattern": "channel"}, "'channel'.*prune_channels"),
        ({"pattern": Part(name="nm", settings={"m": 3})}, "layer '0'.*which 3 does not divide"),
        ({"inputs": []}, "no inputs"),
        ({"inputs": INPUTS[0]}, r"of type Tensor.*\[inputs\]"),
        ({"inputs": 5}, "of type int.*list of batches"),
        ({"inputs": [INPUTS[0] * torch.nan]}, "layer '0' is given is not finite"),
        ({"rate": "half"}, "rate 'half' cannot be used"),
        ({"rate": None}, "Nothing says how much"),
        ({"allocation": {"name": "uniform", "macs": 0.5}}, "Both a rate and a target"),
        ({"rate": None, "allocation": {"name": "uniform", "macs": 1e-6}}, r"macs = 1e-06 cannot be reached.*0\.\d+"),
        ({"allocation": {"name": "uniform", "latency_ms": 1}}, "to a latency"),
        ({"allocation": {"name": "uniform", "rate_of": "macs"}}, "a share of macs"),
        ({"allocation": {"name": "by_layer", "rates": {"a": 0.5}}}, "a rate for 'a'.*Known: 0, 3, 8"),
        ({"protect": "8"}, r"'protect' is '8'.*\['8'\]"),
    ],
)
def test_what_cannot_be_done_is_said(network, arguments, message):
    with pytest.raises(PrunusError, match=message):
        prunus.reconstruct(network, **{"inputs": INPUTS, "rate": 0.5, **arguments})


@pytest.mark.parametrize(("kind", "count"), [("params", "nonzero_parameters"), ("macs", "effective_macs")])
@pytest.mark.parametrize("pattern", ["element", {"name": "nm", "m": 4}])
def test_a_share_of_a_cost_is_what_is_left(network, kind, count, pattern):
    for norm in (network[1], network[4]):
        nn.init.ones_(norm.bias)  # what is zero from the beginning is not pruned
    before = prunus.count_cost(network, INPUTS[0])
    shared = {"name": "uniform" if pattern == "element" else "erk", kind: 0.5}
    found = prunus.reconstruct(network, INPUTS, pattern=pattern, allocation=shared, protect=["10"])
    left = getattr(prunus.count_cost(found.model, INPUTS[0]), count) / getattr(before, count)
    assert left == pytest.approx(0.5, rel=0.01 if pattern == "element" else 0.1)
    assert all(row.error <= row.magnitude_error for row in found.layers)
